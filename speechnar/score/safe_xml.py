"""XML of strangers to elements: no entities, no external files, and no more memory than a score needs.

Differs: `xml.etree` alone expands entities, so that a file of one kilobyte can fill any memory; expat, which reads for
it, is driven here directly, and refuses them at their declaration. The usual `DOCTYPE` line of MusicXML is allowed:
expat does not fetch what it names.
"""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any
from xml.parsers import expat

from speechnar.score.notes import ScoreError

LARGEST_FILE = 64 * 2**20  # bytes, unpacked; the largest of 74 songs has 2 MB, an opera in full score about 50
MOST_ELEMENTS = 3_000_000
DEEPEST = 100


def read_bytes(path: str | Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        ScoreError: it is empty or has more than 64 MiB.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if not data:
        raise ScoreError(f"{path} is empty")
    if len(data) > LARGEST_FILE:
        raise ScoreError(f"{path} has more than {LARGEST_FILE >> 20} MiB, which no song needs")
    return data


def parse_xml(data: bytes, name: str) -> ET.Element:
    """Return the root element of a document.

    Raises:
        ScoreError: it is not XML, declares entities, or is larger or deeper than any score.
    """
    builder = ET.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    open_elements = count = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal open_elements, count
        open_elements, count = open_elements + 1, count + 1
        if count > MOST_ELEMENTS or open_elements > DEEPEST:
            raise ScoreError(f"{name} has more elements than any score: it is no music, or an attack")
        builder.start(tag.rpartition("}")[2], attributes)

    def end(tag: str) -> None:
        nonlocal open_elements
        open_elements -= 1
        builder.end(tag.rpartition("}")[2])

    def refuse(*_: Any) -> None:
        raise ScoreError(f"{name} declares XML entities, which no score needs and which can be an attack; remove them")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ScoreError(f"{name} is not whole XML: {error}") from None
    except (LookupError, ValueError) as error:
        raise error if isinstance(error, ScoreError) else ScoreError(f"{name} is not whole XML: {error}") from None
    return builder.close()


def unzip_score(data: bytes, name: str) -> bytes:
    """Return the score in an `.mxl` archive: the file that META-INF/container.xml names, else the first XML file.

    Raises:
        ScoreError: it is no archive, is broken or encrypted, has no score, or unpacks to more than 64 MiB.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            inner = ""
            if "META-INF/container.xml" in names:
                container = parse_xml(_extract(archive, "META-INF/container.xml", name), name)
                inner = next((r.get("full-path", "") for r in container.iter("rootfile")), "")
            if inner not in names:
                scores = [
                    n for n in names if n.lower().endswith((".xml", ".musicxml")) and not n.startswith("META-INF")
                ]
                if not scores:
                    raise ScoreError(f"{name} is an archive without a score")
                inner = scores[0]
            return _extract(archive, inner, name)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ScoreError(f"{name} is not a whole .mxl archive: {error}") from None
    except Exception as error:  # zlib.error and lzma.LZMAError have no common base
        raise error if isinstance(error, ScoreError) else ScoreError(f"{name} is broken: {error}") from None


def _extract(archive: zipfile.ZipFile, inner: str, name: str) -> bytes:
    with archive.open(inner) as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ScoreError(f"{name} unpacks to more than {LARGEST_FILE >> 20} MiB, which no song needs")
    return data
