"""Runs the Python lines of examples/README.md on a model, and compares what its first layer gives with C++'s numbers."""
import re
import sys

lines = re.search(r"```python\n(.*?)```", open(sys.argv[1]).read(), re.DOTALL).group(1)
exec(lines)
model_layer = first_layer
raw_of_signal = open("signal.safetensors", "rb").read()
start = 8 + int.from_bytes(raw_of_signal[:8], "little")
signal = json.loads(raw_of_signal[8:start])
u, y = (np.frombuffer(raw_of_signal[start:][slice(*signal[name]["data_offsets"])], "<f4").reshape(40, 5) for name in "uy")
error = np.abs(model_layer(u) - y).max() / np.abs(y).max()
print("largest difference of the peak:", error)
assert len(lines.splitlines()) <= 8, "expected at most eight lines"
assert error < 1e-5, error
