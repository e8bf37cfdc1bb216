"""Holds a script of examples/python to what it says: scripts.py SCRIPT WEIGHTS IMPORT_MODEL SOURCE FOLDER

A checkpoint of the framework is made of reference weights and written as its own users write it; the script makes
safetensors of that; and import_model must read those, answering as the reference says.
"""

import json
import pathlib
import re
import subprocess
import sys

import safetensors

script, weights, program, source, folder = sys.argv[1:]
folder = pathlib.Path(folder)
folder.mkdir(parents=True, exist_ok=True)
kind = pathlib.Path(script).stem
checkpoint, made = folder / f"{kind}.checkpoint", folder / f"{kind}.safetensors"

if kind == "flax_tree":
    from flax import serialization
    from flax.traverse_util import unflatten_dict
    from safetensors.numpy import load_file, save_file

    arrays = load_file(weights)
    examples = {name: value for name, value in arrays.items() if name.startswith("io/")}
    tree = unflatten_dict({name: value for name, value in arrays.items() if name not in examples}, sep="/")
    checkpoint.write_bytes(serialization.msgpack_serialize({**tree, "step": 3, "opt_state": {}}))
    options = []
else:
    import torch
    from safetensors.torch import load_file, save_file

    arrays = load_file(weights)
    examples = {name: value for name, value in arrays.items() if name.startswith("io.")}
    state = {name: value for name, value in arrays.items() if name not in examples}
    with safetensors.safe_open(weights, "pt") as file:
        told = json.loads(file.metadata()["config"])
    if kind == "lightning_checkpoint":
        torch.save({"state_dict": state, "epoch": 3, "hyper_parameters": told}, checkpoint)
        options = []
    else:
        torch.save({"model": state, "acc": 0.5}, checkpoint)
        options = ["--key", "model"]

subprocess.run([sys.executable, script, checkpoint, made, *options], check=True)
with safetensors.safe_open(weights, "np") as file:
    told, tolerance = file.metadata()["config"], float(file.metadata()["tolerance_f32"])
configuration = made.with_suffix(".json")
if kind == "lightning_checkpoint":
    assert json.loads(configuration.read_text()) == json.loads(told), configuration.read_text()
configuration.write_text(told)
converted = load_file(str(made))
assert converted.keys() == arrays.keys() - examples.keys(), converted.keys()
save_file({**converted, **examples}, made)  # the examples beside the weights
said = subprocess.run([program, made, "--source", source, "--configuration", configuration, "--out", folder / f"{kind}-out"],
                      check=True, capture_output=True, text=True).stdout
print(said)
error = float(re.search(r"of the peak +seconds\n[ -]+\n(.*)", said)[1].split()[4])
assert error <= tolerance, (error, tolerance)
