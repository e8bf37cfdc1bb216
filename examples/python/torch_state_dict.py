"""A state dict of PyTorch as safetensors, for import_model.

    python3 torch_state_dict.py model.pt weights.safetensors
    python3 torch_state_dict.py ckpt.pth weights.safetensors --key model     # a state dict inside a larger file

Needs torch and safetensors. Complex arrays are written as pairs of real numbers, in a last axis of 2.
"""

import argparse
import pathlib

import torch
from safetensors.torch import save_file


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
    state = torch.load(given.state_dict, map_location="cpu", weights_only=True)
    for key in given.key:
        if key not in state:
            raise SystemExit(f"{given.state_dict}: expected a key '{key}', got {', '.join(map(str, state))}")
        state = state[key]
    arrays = arrays_of(state)
    save_file(arrays, given.safetensors)
    print(f"{given.safetensors}: {len(arrays)} arrays")


if __name__ == "__main__":
    main()
