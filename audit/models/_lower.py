"""An ONNX graph in the words of an older operator set, for a converter that knows no newer one."""

from __future__ import annotations

from typing import Any

# From 18 on reductions take their axes as an input; onnx2torch knows them as an attribute only.
OPSET = 17


def lowered(proto: Any) -> Any:
    """Return a copy of a model whose newer operators are written as in operator set 17, where that says the same.

    What the copy computes has to be compared with the original: an operator that has changed in other ways since would
    be read with its older meaning.

    Args:
        proto: An `onnx.ModelProto` with its tensors loaded.
    """
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    known = {tensor.name: tensor for tensor in copy.graph.initializer}
    for node in copy.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    known[node.output[0]] = attribute.t
    for node in copy.graph.node:
        if node.op_type.startswith("Reduce") and node.op_type != "ReduceSum" and len(node.input) == 2:
            _axes_to_attribute(node, known)
        elif node.op_type == "Reshape":
            _without_allowzero(node, known)
    for opset in copy.opset_import:
        if opset.domain in ("", "ai.onnx"):
            opset.version = min(opset.version, OPSET)
    return copy


def _axes_to_attribute(node: Any, known: dict[str, Any]) -> None:
    import onnx

    tensor = known.get(node.input[1])
    if tensor is not None:
        axes = onnx.numpy_helper.to_array(tensor).reshape(-1).tolist()
        del node.input[1]
        node.attribute.append(onnx.helper.make_attribute("axes", axes, attr_type=onnx.AttributeProto.INTS))


def _without_allowzero(node: Any, known: dict[str, Any]) -> None:
    """Drop a flag that says what a 0 in the new shape means, where there is none."""
    import onnx

    tensor = known.get(node.input[1])
    if tensor is not None and (onnx.numpy_helper.to_array(tensor) != 0).all():
        kept = [a for a in node.attribute if a.name != "allowzero"]
        del node.attribute[:]
        node.attribute.extend(kept)
