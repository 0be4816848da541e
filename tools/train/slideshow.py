#!/usr/bin/env python3
"""Writes FOLDER/captions.jsonl, the slideshow of `sterna bench decode --pictures FOLDER`, from photos whose
names begin with their ImageNet class index (NNN_class_name.jpg): {"image", "label", "caption"} a line.

usage: slideshow.py PHOTOS FOLDER [--training]

By default the photos that training never saw (index a multiple of five); with --training the others: for
choosing parameters. Needs Python alone.
"""
import argparse
import json
import pathlib


def caption(name):
    return f"a photo of {'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("photos", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--training", action="store_true")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    with open(args.folder / "captions.jsonl", "w", encoding="utf-8") as out:
        for photo in sorted(args.photos.resolve().glob("[0-9][0-9][0-9]_*.jpg")):
            index, _, name = photo.stem.partition("_")
            if (int(index) % 5 == 0) == args.training:
                continue
            name = name.replace("_", " ")
            line = {"image": str(photo), "label": name, "caption": caption(name)}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
