"""A state dict of PyTorch as safetensors, for import_model.

    python3 torch_state_dict.py model.pt weights.safetensors
    python3 torch_state_dict.py ckpt.pth weights.safetensors --key model     # a state dict inside a larger file

Needs torch and safetensors. Complex arrays are written as pairs of real numbers, in a last axis of 2.
"""

import argparse
import pathlib
import pickle
import zipfile

import torch
from safetensors.torch import save_file


def read(path, with_code=False, hint=""):
    """What torch.save wrote into a file. Objects of other code only `with_code`, which runs what is in the file."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=not with_code)
    except OSError as error:
        raise SystemExit(f"{path}: expected a file of torch.save, got: {error.strerror}")
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, ImportError):
        raise SystemExit(f"{path}: expected tensors, numbers and words, got objects of other code{hint}" if zipfile.is_zipfile(path)
                         else f"{path}: expected a file of torch.save, got something else")
    if not isinstance(found, dict):
        raise SystemExit(f"{path}: expected names with their values, got {type(found).__name__}")
    return found


def arrays_of(state):
    """Tensors of their own memory, complex ones as (re, im)."""
    arrays = {}
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            raise SystemExit(f"{name}: expected a tensor, got {type(value).__name__}; is the state dict under a key? --key")
        value = value.detach().resolve_conj()
        arrays[name] = (torch.view_as_real(value) if value.is_complex() else value).clone().contiguous()
    return arrays


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("state_dict", type=pathlib.Path)
    options.add_argument("safetensors", type=pathlib.Path)
    options.add_argument("--key", action="append", default=[], help="where in the file the state dict is; may be given again")
    given = options.parse_args()
    state = read(given.state_dict)
    for key in given.key:
        if key not in state:
            raise SystemExit(f"{given.state_dict}: expected a key '{key}', got {', '.join(map(str, state))}")
        state = state[key]
    arrays = arrays_of(state)
    save_file(arrays, given.safetensors)
    print(f"{given.safetensors}: {len(arrays)} arrays")


if __name__ == "__main__":
    main()
