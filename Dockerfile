# docker build -t speechnar .
# docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges -p 127.0.0.1:8000:8000 speechnar
FROM python:3.12-slim AS build
COPY pyproject.toml README.md LICENSE NOTICE /src/
COPY speechnar /src/speechnar
RUN pip install --no-cache-dir --no-compile --prefix=/install "/src[serve]"

FROM python:3.12-slim
# For uploads that libsndfile does not read, such as a browser's webm and m4a: --build-arg FFMPEG=no leaves it out.
ARG FFMPEG=yes
RUN [ "$FFMPEG" = no ] || { apt-get update && apt-get install -y --no-install-recommends ffmpeg && rm -rf /var/lib/apt/lists/*; }
COPY --from=build /install /usr/local
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin speechnar
USER 10001
WORKDIR /tmp
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 HOME=/tmp
EXPOSE 8000 10300
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=3)"]
ENTRYPOINT ["speechnar", "serve", "--host", "0.0.0.0"]
CMD ["--wyoming", "10300"]
