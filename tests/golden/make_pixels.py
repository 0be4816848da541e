#!/usr/bin/env python3
"""Writes the goldens of vision/: picture files encoded by Pillow from synthetic pixels, what Pillow
decodes them to, and what Pillow resizes to.

    pip install pillow==13.0.0 numpy && tests/golden/make_pixels.py

pixels/<name>                  a picture file
pixels/<name>.rgb              ImageOps.exif_transpose(open).convert("RGB"), raw (16-bit grey: high byte)
pixels/decoded.tsv             name, width, height, orientation, stored width, stored height
pixels/resized.tsv             kind, seed, source size, target size, filter, FNV-1a of the bytes
pixels/fitted.tsv              short_side_crop: source size, short side, size, filter, FNV-1a
pixels/photos.tsv              the photographs in tools/examples: size, FNV-1a decoded and at 224
pixels/reduced.tsv             JPEGs of a reduced size (Image.draft): least side, size, FNV-1a
pixels/broken/<name>           files that must be refused
pixels/video/clip.avi          eight grey frames
../fuzz/corpus/image/          seeds for tests/fuzz/fuzz_image.cpp
The output is the same byte for byte on every run with the same Pillow.
"""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

EXPECTED_PILLOW = "13.0.0"
HERE = Path(__file__).resolve().parent
OUT = HERE / "pixels"


def noise(width, height, seed, kind="noise"):
    """The synthetic picture that tests/vision/pixels_support.h makes too: a hash of the index."""
    i = np.arange(width * height * 3, dtype=np.uint64)
    if kind == "blocks":  # runs of 0 and 255: the filters overshoot and must clip
        i = i // np.uint64(7)
    mask = np.uint64(0xFFFFFFFF)
    v = ((i + np.uint64(seed) * np.uint64(0x9E3779B9)) * np.uint64(2654435761)) & mask
    v ^= v >> np.uint64(15)
    v = (v * np.uint64(2246822519)) & mask
    v ^= v >> np.uint64(13)
    b = (v >> np.uint64(24)).astype(np.uint8)
    if kind == "blocks":
        b = np.where(b >= 128, 255, 0).astype(np.uint8)
    return b.reshape(height, width, 3)


def picture(width, height):
    """Something with edges, gradients and colour, for codecs."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    r = 255 * x / max(width - 1, 1)
    g = 127.5 + 127.5 * np.sin(x / 3.0 + y / 5.0)
    b = 255 * y / max(height - 1, 1)
    rgb = np.stack([r, g, b], axis=-1)
    rgb[(x - width * 0.6) ** 2 + (y - height * 0.4) ** 2 < (height * 0.25) ** 2] = (230, 40, 20)
    rgb[int(height * 0.7) :, : width // 3] = (10, 90, 200)
    return rgb.round().clip(0, 255).astype(np.uint8)


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e.tobytes()


def write(name, image, **options):
    image.save(OUT / name, **options)


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(width, height, depth, colour, rows, extra=b""):
    """For what Pillow does not write: odd depths, 16-bit colour, Adam7."""
    return (b"\x89PNG\r\n\x1a\n"
            + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
            + extra + png_chunk(b"IDAT", zlib.compress(rows, 9)) + png_chunk(b"IEND", b""))


def jpegs():
    rgb = Image.fromarray(picture(45, 31))
    write("base.jpg", rgb, quality=90)
    write("444.jpg", rgb, quality=85, subsampling=0)
    write("422.jpg", rgb, quality=85, subsampling=1)
    write("progressive.jpg", rgb, quality=80, progressive=True)
    write("restart.jpg", rgb, quality=60, restart_marker_blocks=1)
    write("gray.jpg", rgb.convert("L"), quality=85)
    write("tiny.jpg", Image.fromarray(picture(1, 1)), quality=90)
    write("rgb_stored.jpg", rgb, quality=90, keep_rgb=True)
    cmyk = np.dstack([picture(37, 23), noise(37, 23, 5)[:, :, :1] // 3])
    write("cmyk.jpg", Image.fromarray(cmyk, mode="CMYK"), quality=90)
    # The same entropy data read as YCCK: Adobe's transform byte says which.
    data = bytearray((OUT / "cmyk.jpg").read_bytes())
    at = data.index(b"Adobe") + 11
    data[at] = 2
    (OUT / "ycck.jpg").write_bytes(data)
    for o in range(1, 9):
        write(f"exif{o}.jpg", Image.fromarray(picture(19, 11)), quality=95, exif=exif(o))
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    write("xmp.jpg", Image.fromarray(picture(19, 11)), quality=95, xmp=xmp)
    write("wide.jpg", Image.fromarray(picture(3000, 1)), quality=70)


def ramp16():
    return (np.arange(45 * 31, dtype=np.uint32) * 4099 % 65536).astype(np.uint16).reshape(31, 45)


def pngs():
    rgb = picture(45, 31)
    image = Image.fromarray(rgb)
    write("rgb.png", image)
    alpha = noise(45, 31, 3)[:, :, :1]
    write("rgba.png", Image.fromarray(np.dstack([rgb, alpha])))
    write("gray.png", image.convert("L"))
    write("gray_alpha.png", Image.fromarray(np.dstack([rgb[:, :, 1], alpha]), mode="LA"))
    write("bilevel.png", image.convert("1"))
    palette = image.quantize(23)
    write("palette.png", palette)
    write("palette4.png", image.quantize(9), bits=4)
    write("palette_trns.png", palette, transparency=bytes([0, 128, 255]))
    write("rgb_trns.png", image, transparency=tuple(int(v) for v in rgb[3, 3]))
    write("exif8.png", Image.fromarray(picture(19, 11)), exif=exif(8))
    gray16 = ramp16().astype(">u2")
    (OUT / "gray16.png").write_bytes(
        raw_png(45, 31, 16, 0, b"".join(b"\0" + r.tobytes() for r in gray16)))
    rgb16 = noise(45, 31, 9).astype(">u2") * 257 + noise(45, 31, 10)
    (OUT / "rgb16.png").write_bytes(
        raw_png(45, 31, 16, 2, b"".join(b"\0" + r.astype(">u2").tobytes() for r in rgb16)))
    ga16 = noise(30, 22, 11)[:, :, :2].astype(">u2") * 257
    (OUT / "gray_alpha16.png").write_bytes(
        raw_png(30, 22, 16, 4, b"".join(b"\0" + r.astype(">u2").tobytes() for r in ga16)))
    for depth in (1, 2, 4):
        bits = noise(44, 21, depth)[:, :, 0] >> (8 - depth)
        rows = b""
        for row in bits:
            text = "".join(f"{v:0{depth}b}" for v in row)
            text += "0" * (-len(text) % 8)
            rows += b"\0" + bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))
        (OUT / f"gray{depth}.png").write_bytes(raw_png(44, 21, depth, 0, rows))
    (OUT / "interlaced.png").write_bytes(adam7(noise(29, 17, 21)))


def adam7(rgb):
    height, width = rgb.shape[:2]
    rows = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                           (1, 0, 2, 2), (0, 1, 1, 2)):
        part = rgb[y0::dy, x0::dx]
        if part.size:
            rows += b"".join(b"\0" + row.tobytes() for row in part)
    data = raw_png(width, height, 8, 2, rows)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return data[:8] + png_chunk(b"IHDR", head) + data[33:]


def webps():
    rgb = picture(45, 31)
    image = Image.fromarray(rgb)
    write("lossy.webp", image, quality=80)
    write("lossless.webp", image, lossless=True)
    rgba = np.dstack([rgb, noise(45, 31, 3)[:, :, :1]])
    write("lossy_alpha.webp", Image.fromarray(rgba), quality=80)
    write("lossless_alpha.webp", Image.fromarray(rgba), lossless=True, exact=True)
    write("exif6.webp", Image.fromarray(picture(19, 11)), quality=90, exif=exif(6))
    frames = [Image.fromarray(noise(24, 18, s) // 2) for s in (1, 2, 3)]
    write("animated.webp", frames[0], save_all=True, append_images=frames[1:], duration=50,
          lossless=True)


def gifs():
    image = Image.fromarray(picture(45, 31))
    write("still.gif", image.quantize(40))
    write("gray.gif", image.convert("L"))
    write("transparent.gif", image.quantize(16), transparency=3)
    frames = [Image.fromarray(noise(24, 18, s)).quantize(20) for s in (1, 2, 3)]
    write("animated.gif", frames[0], save_all=True, append_images=frames[1:], duration=50)
    write("interlaced.gif", image.quantize(30), interlace=1)
    # A frame smaller than its screen, off its corner: the screen is widened or filled.
    for name, (screen, left, top) in {"inset.gif": ((60, 40), 5, 4),
                                      "overhang.gif": ((30, 20), 5, 4)}.items():
        data = bytearray((OUT / "still.gif").read_bytes())
        data[6:10] = struct.pack("<HH", *screen)
        at = data.index(b"\x2c\0\0\0\0" + struct.pack("<HH", 45, 31))
        data[at + 1 : at + 5] = struct.pack("<HH", left, top)
        (OUT / name).write_bytes(data)


def bmps():
    rgb = picture(45, 31)
    image = Image.fromarray(rgb)
    write("rgb.bmp", image)
    write("gray.bmp", image.convert("L"))
    write("bilevel.bmp", image.convert("1"))
    write("palette.bmp", image.quantize(50))
    head = struct.pack("<2sIHHI", b"BM", 54 + 29 * 17 * 4, 0, 0, 54)
    # 32 bits, top row first (negative height).
    x = np.dstack([noise(29, 17, 2)[:, :, ::-1], np.zeros((17, 29), np.uint8)])
    (OUT / "top_down32.bmp").write_bytes(
        head + struct.pack("<IiiHHIIiiII", 40, 29, -17, 1, 32, 0, 0, 0, 0, 0, 0) + x.tobytes())


def tiffs():
    rgb = picture(45, 31)
    image = Image.fromarray(rgb)
    write("rgb.tif", image)
    write("lzw.tif", image, compression="tiff_lzw")
    write("deflate.tif", image, compression="tiff_adobe_deflate")
    write("packbits.tif", image.convert("L"), compression="packbits")
    write("g4.tif", image.convert("1"), compression="group4")
    write("gray16.tif", Image.fromarray(ramp16()))
    write("palette.tif", image.quantize(50))
    write("rgba.tif", Image.fromarray(np.dstack([rgb, noise(45, 31, 3)[:, :, :1]])))
    write("orient6.tif", Image.fromarray(picture(19, 11)), tiffinfo={274: 6})
    frames = [Image.fromarray(noise(24, 18, s)) for s in (1, 2)]
    write("pages.tif", frames[0], save_all=True, append_images=frames[1:])


def others():
    image = Image.fromarray(picture(45, 31))
    write("rgb.ppm", image)
    write("gray.pgm", image.convert("L"))
    write("lossless.jp2", image, irreversible=False)


def video():
    """clip.avi: eight frames of motion JPEG at 10 a second, frame i of grey level 30 i."""
    def chunk(kind, body):
        return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    def group(kind, *parts):
        return chunk(b"LIST", kind + b"".join(parts))

    width, height, n = 48, 32, 8
    frames = []
    for i in range(n):
        stream = io.BytesIO()
        Image.new("RGB", (width, height), (30 * i,) * 3).save(stream, "JPEG", quality=90)
        frames.append(stream.getvalue())
    largest = max(map(len, frames))
    main_header = struct.pack("<14I", 100000, largest * 10, 0, 0x10, n, 0, 1, largest, width,
                              height, 0, 0, 0, 0)
    stream_header = (b"vidsMJPG" + struct.pack("<IHHIIIIIIiI", 0, 0, 0, 0, 1, 10, 0, n, largest, -1,
                                               0) + struct.pack("<4H", 0, 0, width, height))
    bitmap = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", width * height * 3, 0,
                         0, 0, 0)
    body, index = b"", b""
    for frame in frames:
        index += b"00dc" + struct.pack("<III", 0x10, 4 + len(body), len(frame))
        body += chunk(b"00dc", frame)
    header = group(b"hdrl", chunk(b"avih", main_header),
                   group(b"strl", chunk(b"strh", stream_header), chunk(b"strf", bitmap)))
    (OUT / "video").mkdir(exist_ok=True)
    (OUT / "video" / "clip.avi").write_bytes(
        chunk(b"RIFF", b"AVI " + header + group(b"movi", body) + chunk(b"idx1", index)))


def decoded():
    lines = []
    total = 0
    for path in sorted(OUT.glob("*.*")):
        if path.suffix in (".rgb", ".tsv"):
            continue
        with Image.open(path) as f:
            # Pillow reports a TIFF's size as it will be turned; its tags say how it is stored.
            stored = (f.tag_v2[256], f.tag_v2[257]) if f.format == "TIFF" else f.size
            orientation = f.getexif().get(0x0112, 1)
            upright = ImageOps.exif_transpose(f)
            if upright.mode == "I;16":  # its convert("RGB") clips at 255; we keep the high byte
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            rgb = upright.convert("RGB")
        (OUT / (path.name + ".rgb")).write_bytes(rgb.tobytes())
        lines.append(f"{path.name}\t{rgb.width}\t{rgb.height}\t{orientation}\t{stored[0]}\t"
                     f"{stored[1]}\n")
        total += path.stat().st_size + len(rgb.tobytes())
    (OUT / "decoded.tsv").write_text("".join(lines))
    return len(lines), total


def resized():
    r = Image.Resampling
    filters = {"box": r.BOX, "bilinear": r.BILINEAR, "hamming": r.HAMMING, "bicubic": r.BICUBIC,
               "lanczos": r.LANCZOS}
    sizes = [((1, 1), (1, 1)), ((1, 1), (224, 224)), ((2, 3), (224, 224)), ((2, 3), (1, 1)),
             ((7, 300), (224, 224)), ((300, 7), (224, 224)), ((640, 480), (224, 224)),
             ((480, 640), (224, 224)), ((224, 224), (224, 224)), ((225, 223), (224, 224)),
             ((224, 100), (224, 224)), ((100, 224), (224, 224)), ((333, 217), (64, 31)),
             ((63, 65), (129, 127)), ((5, 5), (3, 3)), ((17, 13), (16, 13)), ((17, 13), (17, 12)),
             ((5000, 3), (224, 224)), ((3, 5000), (224, 224)), ((30000, 1), (224, 224)),
             ((1, 30000), (224, 224)), ((2000, 700), (33, 35)), ((700, 1200), (384, 384)),
             ((64, 48), (256, 192)), ((97, 89), (1, 50)), ((89, 97), (50, 1))]
    lines = []
    seed = 0
    for source, target in sizes:
        for name, kind in ((n, k) for n in filters for k in ("noise", "blocks")):
            if name in ("box", "hamming", "lanczos") and kind == "noise":
                continue
            seed += 1
            image = Image.fromarray(noise(*source, seed, kind))
            out = image.resize(target, filters[name]).tobytes()
            lines.append(f"{kind}\t{seed}\t{source[0]}\t{source[1]}\t{target[0]}\t{target[1]}\t"
                         f"{name}\t{fnv1a(out)}\n")
    (OUT / "resized.tsv").write_text("".join(lines))
    lines = []
    for w, h, short, size in ((640, 480, 224, 224), (480, 640, 256, 224), (301, 227, 256, 224),
                              (224, 224, 224, 224), (50, 1000, 64, 32), (1000, 51, 33, 32),
                              (2, 2, 17, 16), (333, 250, 257, 224)):
        image = Image.fromarray(noise(w, h, w + h))
        # torchvision.transforms.functional: _compute_resized_output_size, then center_crop.
        small, large = min(w, h), max(w, h)
        long = int(short * large / small)
        new = (short, long) if w <= h else (long, short)
        left, top = int(round((new[0] - size) / 2.0)), int(round((new[1] - size) / 2.0))
        for name in ("bilinear", "bicubic"):
            out = image.resize(new, filters[name]).crop((left, top, left + size, top + size))
            lines.append(f"{w}\t{h}\t{short}\t{size}\t{name}\t{fnv1a(out.tobytes())}\n")
    (OUT / "fitted.tsv").write_text("".join(lines))


def photo():
    """The bundled photograph: decoded, and resized as the default model wants it."""
    lines = []
    for path in sorted((HERE.parents[1] / "tools" / "examples" / "photos").glob("*.jpg")):
        rgb = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        small = rgb.resize((224, 224), Image.Resampling.BICUBIC)
        lines.append(f"{path.name}\t{rgb.width}\t{rgb.height}\t{fnv1a(rgb.tobytes())}\t"
                     f"{fnv1a(small.tobytes())}\n")
    (OUT / "photos.tsv").write_text("".join(lines))


def reduced():
    """JPEGs decoded at a fraction of their size, turned upright: the photographs, and odd ones of pixels/."""
    lines = []
    photos = sorted((HERE.parents[1] / "tools" / "examples" / "photos").glob("*.jpg"))
    for path in photos + [OUT / name for name in ("base.jpg", "gray.jpg", "cmyk.jpg", "exif6.jpg", "422.jpg")]:
        for side in (1, 3, 60, 150, 200, 1000):
            image = Image.open(path)
            image.draft(None, (side, side))
            rgb = ImageOps.exif_transpose(image).convert("RGB")
            lines.append(f"{path.name}\t{side}\t{rgb.width}\t{rgb.height}\t{fnv1a(rgb.tobytes())}\n")
    (OUT / "reduced.tsv").write_text("".join(lines))


def broken():
    folder = OUT / "broken"
    folder.mkdir(exist_ok=True)
    for name in ("base.jpg", "progressive.jpg", "rgb.png", "interlaced.png", "lossy.webp",
                 "lossless.webp", "still.gif", "rgb.bmp", "rgb.tif", "lzw.tif", "rgb.ppm",
                 "lossless.jp2"):
        data = (OUT / name).read_bytes()
        (folder / ("half_" + name)).write_bytes(data[: len(data) // 2])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_bytes(b"This is not a picture.\n")
    (folder / "heic.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (folder / "ten_bits.pgm").write_bytes(b"P5 4 2 1023\n" + b"\x03\xff" * 8)
    head = struct.pack(">IIBBBBB", 10000, 10001, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IEND", b"")
    (folder / "bomb100mp.png").write_bytes(bomb)
    data = bytearray((OUT / "base.jpg").read_bytes())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65000, 65000)
    (folder / "bomb.jpg").write_bytes(data)
    data[at + 5 : at + 9] = struct.pack(">HH", 0, 0)
    (folder / "zero.jpg").write_bytes(data)


def seeds():
    """Small pictures and broken ones for the fuzzer of picture files."""
    folder = HERE.parent / "fuzz" / "corpus" / "image"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(OUT.glob("*.*")) + sorted((OUT / "broken").iterdir()):
        if path.suffix not in (".rgb", ".tsv") and path.stat().st_size < 5000:
            (folder / path.name).write_bytes(path.read_bytes())


def main():
    if PIL.__version__ != EXPECTED_PILLOW:
        sys.exit(f"expected Pillow {EXPECTED_PILLOW}, found {PIL.__version__}")
    OUT.mkdir(exist_ok=True)
    for make in (jpegs, pngs, webps, gifs, bmps, tiffs, others):
        make()
    video()
    n, total = decoded()
    resized()
    photo()
    reduced()
    broken()
    seeds()
    print(f"{n} pictures, {total} bytes")


if __name__ == "__main__":
    main()
