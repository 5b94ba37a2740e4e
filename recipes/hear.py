#!/usr/bin/env python3
"""Print what Whisper base hears in a recording: it judges the voices of other languages than English.

    python hear.py --language de WAV

Needs `pip install faster-whisper`, which downloads the model at the first call. It is no part of speechnar.
"""

import argparse
import sys


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", required=True, metavar="CODE", help="two letters, such as de")
    parser.add_argument("--model", default="base", metavar="NAME|DIR", help="of faster-whisper (base)")
    parser.add_argument("wav")
    args = parser.parse_args()
    try:
        from faster_whisper import WhisperModel
    except ImportError:
        sys.exit("hear.py: faster-whisper is missing: pip install faster-whisper, or name another --recognizer")
    model = WhisperModel(args.model, device="cpu", compute_type="int8")
    segments, _ = model.transcribe(args.wav, language=args.language, beam_size=5, condition_on_previous_text=False)
    print(" ".join(segment.text.strip() for segment in segments))


if __name__ == "__main__":
    main()
