"""AVIF is decoded in a process of its own, which may take only so much memory and time, and comes back as PNG.

libavif believes the size that the file's header tells, the AV1 decoder the one in its stream: a file of 2 KB that calls
itself 640 x 640 makes it take 300 MB and more. So the decoder works where that hurts nobody.

References
1. AV1 Image File Format, v1.1.0: items, sequences, colour information.
2. getrlimit(2): address space, CPU time, files.
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

from PIL import Image, PngImagePlugin, features

READABLE = features.check("avif")  # this Pillow brings libavif
MEMORY = 640 * 2**20  # bytes of address space
SECONDS = 15  # of CPU time
_HEAD = struct.Struct(">II")  # width and height
_ROOT = Path(__file__).parents[1]


def to_png(data: bytes, most: float) -> tuple[tuple[int, int], bytes]:
    """Width and height of an AVIF picture, and its first frame as PNG with its colour profile and EXIF.

    The PNG's text "frames" says how many frames there are. Of more than `most` pixels nothing is decoded: b"".
    Raises ValueError for a file that cannot be read within the bounds.
    """
    command = [sys.executable, "-s", "-m", "engine.avif", str(int(most))]
    try:
        done = subprocess.run(command, cwd=_ROOT, env={}, input=data, stdout=subprocess.PIPE, timeout=4 * SECONDS,
                              stderr=subprocess.DEVNULL, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ValueError("took too long") from None
    if done.returncode or len(done.stdout) < _HEAD.size:
        raise ValueError("not readable")
    return _HEAD.unpack_from(done.stdout), done.stdout[_HEAD.size :]


def _convert(data: bytes, most: int) -> bytes:
    """What `to_png` reads."""
    image = Image.open(io.BytesIO(data), formats=["AVIF"])
    out = io.BytesIO()
    out.write(_HEAD.pack(*image.size))
    if image.width * image.height <= most:
        text = PngImagePlugin.PngInfo()
        text.add_text("frames", str(image.n_frames))
        kept = {name: image.info[name] for name in ("icc_profile", "exif") if name in image.info}
        image.save(out, "PNG", compress_level=1, pnginfo=text, **kept)
    return out.getvalue()


def main() -> None:
    """One picture from standard input to standard output."""
    import resource

    from PIL import AvifImagePlugin

    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    data = sys.stdin.buffer.read()
    Image.init()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file grows
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # 0, 1 and 2 are open
    sys.stdout.buffer.write(_convert(data, int(sys.argv[1])))


if __name__ == "__main__":
    main()
