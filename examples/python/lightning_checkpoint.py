"""A Lightning checkpoint as safetensors, and its hyperparameters as JSON, for import_model.

    python3 lightning_checkpoint.py last.ckpt weights.safetensors
    python3 lightning_checkpoint.py last.ckpt weights.safetensors --trust     # runs code that is in the checkpoint

Needs torch and safetensors. The JSON file has the name of the weights, and holds what the training was told, as far as
that is numbers, words, lists and objects: look through it, and add what is missing, as l_output.
"""

import argparse
import json
import pathlib

from safetensors.torch import save_file
from torch_state_dict import arrays_of, read  # beside this script


def plain(value):
    """What JSON can hold of hyperparameters; a mapping of any kind is an object."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "items"):
        return {str(key): plain(each) for key, each in value.items()}
    if hasattr(value, "__iter__"):
        return [plain(each) for each in value]
    return str(value)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("checkpoint", type=pathlib.Path)
    options.add_argument("safetensors", type=pathlib.Path)
    options.add_argument("--trust", action="store_true", help="read a checkpoint that holds more than arrays: its code is run")
    given = options.parse_args()
    checkpoint = read(given.checkpoint, given.trust, "; --trust reads them, which runs what is in the file")
    if "state_dict" not in checkpoint:
        raise SystemExit(f"{given.checkpoint}: expected a key 'state_dict', got {', '.join(map(str, checkpoint))}")
    arrays = arrays_of(checkpoint["state_dict"])
    save_file(arrays, given.safetensors)
    told = given.safetensors.with_suffix(".json")
    told.write_text(json.dumps(plain(checkpoint.get("hyper_parameters", {})), indent=1) + "\n")
    print(f"{given.safetensors}: {len(arrays)} arrays; {told}: look through it")


if __name__ == "__main__":
    main()
