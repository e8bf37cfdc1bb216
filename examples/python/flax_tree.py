"""A tree of flax as safetensors, for import_model.

    python3 flax_tree.py checkpoint.msgpack weights.safetensors

Needs flax and safetensors. Reads what flax.serialization wrote: variables, or a whole TrainState. The parameters and the
running statistics are taken, names joined by '/'; complex arrays become pairs of real numbers, in a last axis of 2.
"""

import argparse
import pathlib

import numpy
from flax import serialization
from flax.traverse_util import flatten_dict
from safetensors.numpy import save_file


def plain(value):
    value = numpy.asarray(value)
    if numpy.iscomplexobj(value):
        value = numpy.stack([value.real, value.imag], axis=-1)
    return numpy.ascontiguousarray(value)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("checkpoint", type=pathlib.Path)
    options.add_argument("safetensors", type=pathlib.Path)
    given = options.parse_args()
    try:
        tree = serialization.msgpack_restore(given.checkpoint.read_bytes())
    except OSError as error:
        raise SystemExit(f"{given.checkpoint}: expected what flax.serialization writes, got: {error.strerror}")
    except Exception as error:  # msgpack's own, of many kinds
        raise SystemExit(f"{given.checkpoint}: expected what flax.serialization writes, got something else: {error}")
    if not isinstance(tree, dict):
        raise SystemExit(f"{given.checkpoint}: expected a tree, got {type(tree).__name__}")
    kept = {part: tree[part] for part in ("params", "batch_stats") if tree.get(part)}
    if "params" not in kept:
        raise SystemExit(f"{given.checkpoint}: expected 'params' in the tree, got {', '.join(map(str, tree))}")
    if "params" in kept["params"]:  # a TrainState whose params are all variables
        kept = {part: kept["params"][part] for part in ("params", "batch_stats") if part in kept["params"]}
    arrays = {name: plain(value) for name, value in flatten_dict(kept, sep="/").items()}
    save_file(arrays, given.safetensors)
    print(f"{given.safetensors}: {len(arrays)} arrays")


if __name__ == "__main__":
    main()
