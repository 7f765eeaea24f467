"""Traces of the profiler: files made here by hand, as GPUs would write them, since there is none."""

from pathlib import Path

import pytest
from trace_equipment import TraceLine, TracePlane, encode, message, number, varint

from wbc.profiling.kinds import is_operation, kind_of, kind_of_kernel, kind_of_layer
from wbc.profiling.summary import summarize
from wbc.profiling.xspace import Event, Line, NotATraceError, Plane, _fields, read_trace

LAYERS = {"bn1": "normalization", "conv1": "convolution", "fc": "dense"}
SCOPE = "StatefulPartitionedCall/net_1"
STEPS = [("train", 0, 100), ("train", 110, 100)]


def host(*events, more: tuple[TraceLine, ...] = ()) -> TracePlane:
    return TracePlane("/host:CPU", [TraceLine("python", STEPS), TraceLine("tf_Compute/1", [*events]), *more])


def written(folder: Path, *planes: TracePlane) -> Path:
    path = folder / "host.xplane.pb"
    path.write_bytes(encode(*planes))
    return path


def test_a_file_is_read_as_it_was_written(tmp_path):
    kernel = ("gemm", 5, 7, {"tf_op": "a/b:MatMul", "hlo_module": "cluster", "other": "x"})
    plane = TracePlane("/device:GPU:0", [TraceLine("Stream #7(Compute)", [kernel], began_ns=-3)])
    ours, theirs = read_trace(written(tmp_path, host(("x:Add", 1, 2, {"k": "v"})), plane))
    assert [(line.name, len(line.events)) for line in ours.lines] == [("python", 2), ("tf_Compute/1", 1)]
    assert ours.lines[1].events[0].texts == {}, "the host has too many events for that"
    (event,) = theirs.lines[0].events
    assert (theirs.name, event.name, event.start, event.end) == ("/device:GPU:0", "gemm", 2000, 9000)
    assert event.texts == {"tf_op": "a/b:MatMul", "hlo_module": "cluster", "other": "x"}


def test_fields_of_other_kinds_are_passed_over_by_their_size():
    """Before each: a number of 8 bytes and one of 4, whose bytes would be other fields."""
    apart = varint(9 << 3 | 1) + number(1, 1) * 4 + varint(9 << 3 | 5) + number(1, 1) * 2
    data = apart + number(2, 300) + message(3, "ab") + apart + number(4, 5)
    found = list(_fields(data, (0, len(data))))
    start = data.index(b"ab")
    assert found == [(2, 300), (3, (start, start + 2)), (4, 5)]
    for broken in (varint(9 << 3 | 3), message(3, "ab")[:-1]):
        with pytest.raises(IndexError):
            list(_fields(broken, (0, len(broken))))


def test_what_is_no_trace_is_said(tmp_path):
    path = written(tmp_path, host(("x:Add", 1, 2)))
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], b"\xff" * 40, b"no trace at all"):
        path.write_bytes(broken)
        with pytest.raises(NotATraceError, match="not a trace"):
            read_trace(path)


def test_self_times_are_without_what_is_inside_and_of_the_window_only(tmp_path):
    conv = (f"{SCOPE}/conv1/BiasAdd:_MklNativeFusedConv2D", 10, 40)
    events = [
        conv,
        (f"{SCOPE}/bn1_1/mul:Mul", 20, 10),  # within the convolution, as the tracer saw it
        ("StatefulPartitionedCall/gradient_tape/net_1/bn1/Sum:Sum", 60, 10),
        ("StatefulPartitionedCall/rm_sprop_1/Mul_3:Mul", 130, 20),
        (f"{SCOPE}/fc/MatMul:MatMul", 150, 20),
        ("ExecutorState::Process", 0, 200),
        ("EagerLocalExecute: OptionalHasValue", 0, 50),
        (f"{SCOPE}/conv1/BiasAdd:_MklNativeFusedConv2D", 400, 99),  # after the window
    ]
    found = summarize(read_trace(written(tmp_path, host(*events))), LAYERS, "rm_sprop")
    assert found["steps"] == 2
    assert found["wall_s"] == pytest.approx(210e-9)
    assert found["kinds"] == {
        "convolution": pytest.approx(30 / 90),
        "normalization": pytest.approx(20 / 90),
        "dense": pytest.approx(20 / 90),
        "optimizer": pytest.approx(20 / 90),
    }
    first = found["top"][0]
    assert first["op"] == "net_1/conv1/BiasAdd:_MklNativeFusedConv2D"
    assert (first["self_s"], first["share"]) == (pytest.approx(30e-9), pytest.approx(1 / 3))
    assert found["kernel_busy"] is found["copies_s"] is None
    assert found["input_stall"] is None, "nothing shows where batches come from"


def test_input_stall_is_the_share_of_steps_and_overlaps_count_once(tmp_path):
    name = "IteratorGetNextOp::DoCompute"
    other = TraceLine("tf_Compute/2", [(name, 20, 30), (name, 205, 30)])
    planes = read_trace(written(tmp_path, host((name, 10, 30), (name, 110, 50), more=(other,))))
    # 10-50 and 110-160, and 205-210 of what goes on after the last step
    assert summarize(planes, LAYERS)["input_stall"] == pytest.approx((40 + 50 + 5) / 200)


def test_a_gpu_is_busy_while_a_kernel_is_active_and_copies_are_apart(tmp_path):
    streams = [
        TraceLine(
            "Stream #14(Compute)",
            [
                ("void cudnn::conv_fprop", 0, 40, {"tf_op": f"{SCOPE}/conv1/convolution:Conv2D"}),
                ("fusion_7", 120, 30, {"tf_op": f"{SCOPE}/bn1/mul:Mul"}),
                ("late", 300, 50),
            ],
        ),
        TraceLine("Stream #15(Compute)", [("ampere_sgemm_128x64", 20, 40)]),
        TraceLine(
            "Stream #16(MemcpyH2D,MemcpyD2D)",
            [("MemcpyH2D", 100, 10, {"tf_op": "x:Cast"}), ("MemcpyD2D", 110, 5), ("Memset", 116, 1)],
        ),
        # The same once more, put together by the profiler.
        TraceLine("XLA Ops", [("everything", 0, 210)]),
    ]
    gpu = TracePlane("/device:GPU:0", streams)
    idle = TracePlane("/device:GPU:1", [TraceLine("Stream #1(Compute)", [("much later", 900, 1)])])
    found = summarize(read_trace(written(tmp_path, host(("a/b:MatMul", 0, 99)), gpu, idle)), LAYERS)
    assert found["kernel_busy"] == pytest.approx((60 + 30) / 210)
    assert found["copies_s"] == pytest.approx(10e-9)
    whole = 40 + 30 + 40 + 10 + 5 + 1
    assert found["kinds"] == {
        "convolution": pytest.approx(40 / whole),
        "normalization": pytest.approx(30 / whole),
        "dense": pytest.approx(40 / whole),
        "data": pytest.approx(10 / whole),
        "other": pytest.approx(6 / whole),
    }
    assert {one["op"] for one in found["top"]} >= {"net_1/conv1/convolution:Conv2D", "ampere_sgemm_128x64"}


def test_without_a_step_there_is_nothing_to_say(tmp_path):
    with pytest.raises(ValueError, match="no training step"):
        summarize(read_trace(written(tmp_path, TracePlane("/host:CPU", []))), LAYERS)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("net/conv1/BiasAdd:BiasAdd", "convolution"),
        ("gradient_tape/net/unknown/x:_MklNativeConv2DBackpropFilterWithBias", "convolution"),
        ("net/unknown:FusedBatchNormV3", "normalization"),
        ("gradient_tape/net/bn1_12/moments/Mul:Mul", "normalization"),
        ("adam/x:ResourceApplyAdam", "optimizer"),
        ("PyFunc:PyFunc", "data"),
        ("net/activation:Relu", "other"),
    ],
)
def test_kinds_of_operations(operation, kind):
    assert is_operation(operation)
    assert kind_of(operation, LAYERS) == kind


def test_kinds_of_kernels_and_layers():
    assert kind_of_kernel("dgrad_engine", "net/relu:Relu", LAYERS) == "convolution"
    assert kind_of_kernel("x", "net/fc/MatMul:MatMul", LAYERS) == "dense"
    assert kind_of_kernel("loop_add_fusion", None, LAYERS) == "other"
    assert kind_of_layer("SeparableConv2D") == "convolution"
    assert kind_of_layer("LayerNormalization") == "normalization"
    assert kind_of_layer("Flatten") is None
    for name in ("Iterator::Root::Prefetch", "EagerExecute", "EagerLocalExecute: Mul", "train"):
        assert not is_operation(name)


def test_a_trace_without_the_gpus_kernels_is_not_taken_for_the_hosts_work(tmp_path):
    path = written(tmp_path, host(("train", 0, 100), ("a:MatMul", 10, 50)))
    with pytest.raises(ValueError, match="no kernel of the GPU"):
        summarize(read_trace(path), {}, on_gpu=True)
    assert summarize(read_trace(path), {})["kinds"] == {"dense": 1.0}


@pytest.mark.parametrize(
    ("kernel", "operation", "kind"),
    [
        ("loop_add_fusion_3", "jit(step)/model/conv2d_1/add", "convolution"),
        ("input_reduce_fusion", "model_1/batch_normalization_2/reduce_sum", "normalization"),
        ("loop_multiply_fusion", "StatefulPartitionedCall/rmsprop/mul", "optimizer"),
        ("fusion_7", "jit(step)/transpose(jvp(head))/dot_general", "dense"),
        ("fusion_8", "jit(step)/conv_general_dilated", "convolution"),
        ("triton_gemm_dot_5", None, "dense"),
        ("sm90_xmma_fprop_implicit_gemm", None, "convolution"),
        ("loop_add_fusion", "jit(step)/add", "other"),
        ("loop_add_fusion", None, "other"),
    ],
)
def test_kernels_that_xla_merged_have_the_kind_of_their_layer(kernel, operation, kind):
    layers = {"conv2d": "convolution", "batch_normalization": "normalization", "dense": "dense"}
    assert kind_of_kernel(kernel, operation, layers, "rmsprop") == kind


def field(number: int, content: bytes) -> bytes:
    """A field of bytes: its number and kind 2, their length, the bytes (protobuf.dev, encoding)."""
    return bytes([number << 3 | 2, len(content)]) + content


NAMED = field(2, b"p")


@pytest.mark.parametrize(
    "content",
    [
        b"\x08\x05",  # a number where a plane should be
        field(1, b"\x10\x05"),  # and where a name should be
        field(1, field(3, field(4, field(1, b"x")))),  # bytes where the number of an event should be
        field(1, b"\x12\x02p"),  # a name longer than its message
        field(1, b"\x13p"),  # a kind that there is no more
        field(1, field(2, b"\xff")),  # no text
        b"\x0a",
    ],
)
def test_what_is_damaged_is_no_trace(tmp_path, content):
    path = tmp_path / "x.pb"
    path.write_bytes(content)
    with pytest.raises(NotATraceError) as caught:
        read_trace(path)
    assert str(caught.value) == f"{path} is not a trace of the profiler, or is incomplete"


def test_long_and_negative_numbers_are_read(tmp_path):
    """An offset of -1 is ten bytes; a duration of 300 is two."""
    event = b"\x08\x07" + b"\x10" + b"\xff" * 9 + b"\x01" + b"\x18\xac\x02"
    names = field(4, b"\x08\x07" + field(2, field(2, b"gemm")))
    line = field(2, b"s") + b"\x18\x02" + field(4, event)
    path = tmp_path / "x.pb"
    path.write_bytes(field(1, NAMED + names + field(3, line)))
    assert read_trace(path) == [Plane("p", [Line("s", [Event("gemm", 1999, 300)])])]


@pytest.mark.parametrize(
    ("kind", "types", "kernels", "primitives"),
    [
        (
            "convolution",
            ["Conv2D", "_FusedConv2D"],
            ["a_CONV_b", "cudnn::x", "fprop", "dgrad", "wgrad", "Winograd"],
            ["conv_general_dilated"],
        ),
        (
            "normalization",
            ["FusedBatchNormV3", "LayerNorm", "InstanceNormGrad"],
            ["batchnorm_fwd", "batch_norm", "layernorm", "Layer_Norm", "x bn_fw"],
            [],
        ),
        (
            "dense",
            ["BatchMatMulV2"],
            ["sGEMM", "cublasLt", "cutlass_80", "matmul"],
            ["dot_general", "MatMul"],
        ),
        ("optimizer", ["ResourceApplyAdam"], [], []),
        (
            "data",
            ["PyFunc", "IteratorGetNext", "MapDataset"],
            ["MemcpyH2D", "MemcpyD2H", "MemcpyHtoD", "MemcpyDtoH"],
            [],
        ),
        (
            "other",
            ["Relu", "PyFuncStateless", "XResourceApply", "Mul"],
            ["MemcpyD2D", "xMemcpyH2D", "fusion_1", "abn_x", "Memset"],
            ["add", "transpose"],
        ),
    ],
)
def test_the_kind_of_each_name(kind, types, kernels, primitives):
    assert {kind_of(f"net/x:{name}", {}) for name in types} <= {kind}
    assert {kind_of_kernel(name, None, {}) for name in kernels} <= {kind}
    assert {kind_of_kernel("fusion", f"jit(step)/{name}", {}) for name in primitives} <= {kind}


def test_the_kind_of_each_layer():
    names = ["Conv2DTranspose", "GroupNormalization", "Dense", "EinsumDense", "DenseNet", "NormalizationX"]
    assert [kind_of_layer(name) for name in names] == [
        *("convolution", "normalization", "dense", "dense", None, None),
    ]


def test_operations_at_the_edges_of_others_and_of_the_steps(tmp_path):
    """One that begins where another ends is not within it; of two that begin together the longer one calls."""
    events = [
        ("a:Relu", 0, 40),
        ("b:Mul", 0, 10),  # within a
        ("f:Exp", 2, 3),  # within b
        ("c:Add", 40, 10),  # behind it
        ("d:Exp", 210, 5),  # behind the last step
        ("e:Log", 209, 11),  # begins within it
    ]
    found = summarize(read_trace(written(tmp_path, host(*events))), {})
    assert [(one["op"], round(one["self_s"] * 1e9)) for one in found["top"]] == [
        *(("a:Relu", 30), ("e:Log", 11), ("c:Add", 10), ("b:Mul", 7), ("f:Exp", 3)),
    ]
    assert sum(one["share"] for one in found["top"]) == pytest.approx(1) and found["kinds"] == {"other": 1.0}
    empty = summarize(read_trace(written(tmp_path, host())), {})
    assert (empty["top"], empty["kinds"], empty["wall_s"]) == ([], {}, pytest.approx(210e-9))


def test_copies_between_host_and_gpu_within_the_steps(tmp_path):
    names = ("MemcpyH2D", "MemcpyD2H", "MemcpyHtoD", "MemcpyDtoH", "MemcpyD2D", "Memset", "kernel")
    stream = TraceLine("Stream #1", [(name, 20 * number, 1 << number) for number, name in enumerate(names)])
    planes = (host(), TracePlane("/device:GPU:0", [stream, TraceLine("Steps", [("kernel", 0, 200)])]))
    found = summarize(read_trace(written(tmp_path, *planes)), {}, on_gpu=True)
    assert found["copies_s"] == pytest.approx(15e-9)
    assert found["kernel_busy"] == pytest.approx(64 / 210)
