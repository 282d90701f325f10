"""Holds exported networks to ONNX's own checker: python3 tests/onnx/check.py [--size N] [SPEC|FILE.onnx...]

Each SPEC (without any: every variant in both forms) is exported by $MOPROF at N pixels (224). Files are
read by onnx.checker, and every shape that ONNX infers is compared with the one that the file states.
"""
import csv
import io
import os
import subprocess
import sys
import tempfile

import onnx

MOPROF = os.environ.get("MOPROF", "./moprof")


def both_forms():
    listed = subprocess.run([MOPROF, "list", "-f", "csv"], check=True, capture_output=True, text=True)
    stems = [row["variant"].replace(":train", "") for row in csv.DictReader(io.StringIO(listed.stdout))]
    for spec in dict.fromkeys(stems):
        family, plus, modifiers = spec.partition("+")
        yield spec
        yield family + ":train" + plus + modifiers


def value_shape(info):
    return [d.dim_value for d in info.type.tensor_type.shape.dim]


def check(spec, path):
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    stated = {v.name: value_shape(v) for v in model.graph.value_info}
    stated.update((v.name, value_shape(v)) for v in model.graph.output)
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    found = {v.name: value_shape(v) for v in list(inferred.value_info) + list(inferred.output)}
    for name, shape in stated.items():
        assert found.get(name) == shape, f"{spec}: {name} is {found.get(name)}, the file says {shape}"


def main(args):
    size, names = ("224", args) if args[:1] != ["--size"] else (args[1], args[2:])
    names = names or list(both_forms())
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = name
            if not name.endswith(".onnx"):
                path = os.path.join(folder, "model.onnx")
                subprocess.run([MOPROF, "export", f"{name}@{size}", "-o", path], check=True)
            check(name, path)
    print(f"checked {len(names)} networks with onnx {onnx.__version__}")


main(sys.argv[1:])
