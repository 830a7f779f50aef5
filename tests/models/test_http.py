"""Models behind a server, honest ones and others."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from audit.core import InputSpec, ModelSpec
from audit.errors import ModelError
from audit.models import _http_ask as asking
from audit.models import load_model

IMAGES = np.arange(3 * 4 * 4, dtype=np.float32).reshape(3, 1, 4, 4)
MEANS = IMAGES.mean(axis=(1, 2, 3)) / 50
METADATA = {
    "name": "net",
    "versions": ["1"],
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 4, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}],
}


class Server(ThreadingHTTPServer):
    """Answers with what a test sets, and keeps what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.metadata, self.answer, self.asked, self.faults = METADATA, None, [], []

    def handle_error(self, *args):
        """A client that gave up is part of these tests."""

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        del args

    def send(self, code, body, **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.send(200, b"3.3.0" if self.path == "/version" else self.server.metadata)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        if self.server.faults:
            code, headers = self.server.faults.pop(0)
            self.send(code, {"error": "busy"}, **headers)
            return
        answer = self.server.answer
        self.send(200, answer(body) if callable(answer) else answer)


@pytest.fixture
def server(monkeypatch):
    """A server on loopback; pauses between tries are kept and not waited."""
    with Server() as made:
        made.pauses = []
        honest = asking.Caller.__init__

        def quick(self, *, timeout, wait=None):
            del wait
            honest(self, timeout=timeout, wait=made.pauses.append)

        monkeypatch.setattr(asking.Caller, "__init__", quick)
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def spec(address, **more):
    given = {"output": "logits", "task": "binary", "input": InputSpec(size=(4, 4), range=(0.0, 50.0)), **more}
    return ModelSpec(kind="http", path=address, **given)


def invocations(server, tmp_path, **more):
    return load_model(spec(f"{server.address}/invocations", **more), tmp_path)


def honest(body):
    x = np.asarray(body["inputs"])
    return {"predictions": x.mean(axis=(1, 2, 3))[:, None].tolist()}


def test_prepared_images_go_out_and_raw_outputs_come_back(server, tmp_path):
    """The server gets images mapped from the range to [0, 1], and its numbers are the model's outputs."""
    server.answer = honest
    model = invocations(server, tmp_path)
    assert model.predict(IMAGES)[:, 0] == pytest.approx(MEANS, abs=1e-6)
    assert np.asarray(server.asked[-1]["inputs"]) == pytest.approx(IMAGES / 50, abs=1e-6)
    assert (model.card.kind, model.card.access.name) == ("http", "QUERY")


def test_a_large_batch_is_asked_in_bounded_requests(server, tmp_path, monkeypatch):
    """No request holds more numbers than the bound, and the order of the cases is kept."""
    monkeypatch.setattr("audit.models._http._NUMBERS", 33)
    server.answer = honest
    assert invocations(server, tmp_path).predict(IMAGES)[:, 0] == pytest.approx(MEANS, abs=1e-6)
    assert [len(a["inputs"]) for a in server.asked] == [2, 1]


def kserve(body):
    (tensor,) = body["inputs"]
    x = np.asarray(tensor["data"]).reshape(tensor["shape"])
    return {
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [len(x), 1], "data": x.mean(axis=(1, 2, 3)).tolist()}]
    }


@pytest.mark.parametrize("end", ["", "/infer", "/"])
def test_the_kserve_protocol_is_spoken(server, tmp_path, end):
    """The input's name and datatype come from the server's metadata; data are flat and in row order."""
    server.answer = kserve
    model = load_model(spec(f"{server.address}/v2/models/net{end}"), tmp_path)
    assert model.predict(IMAGES)[:, 0] == pytest.approx(MEANS, abs=1e-6)
    (sent,) = server.asked[-1]["inputs"]
    assert (sent["name"], sent["shape"], sent["datatype"]) == ("x", [3, 1, 4, 4], "FP32")


@pytest.mark.parametrize(
    "answer, said",
    [
        ({"predictions": [[0.1], [0.2]]}, "3 answers for 3 images"),
        ({"predictions": [[0.1], [0.2], [0.3, 0.4]]}, "rows of different lengths"),
        ({"predictions": ["0.1", "0.2", "0.3"]}, "no array of numbers"),
        ({"predictions": [None, 0.2, 0.3]}, "no array of numbers"),
        ({"predictions": [True, False, True]}, "no array of numbers"),
        ({"predictions": [{"a": 1}, {"a": 2}, {"a": 3}]}, "no array of numbers"),
        ({"predictions": []}, "nothing"),
        ({"predictions": 0.5}, "does not belong to the images"),
        ({"predictions": [[[0.1, 0.2]], [[0.1, 0.2]], [[0.1, 0.2]]]}, "does not fit output"),
        ({"scores": [1]}, '"predictions"'),
        ([1, 2, 3], '"predictions"'),
        (b"<html>", "no JSON"),
    ],
)  # fmt: skip
def test_an_answer_that_lies_about_its_shape_is_an_error(server, tmp_path, answer, said):
    """No answer of another number, of texts or of objects is taken for the images' scores."""
    server.answer = answer
    with pytest.raises(ModelError) as caught:
        invocations(server, tmp_path).predict(IMAGES)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "output, said",
    [
        ({"shape": [3, 2], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}, "shape that it claims"),
        ({"shape": [-3, -1], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}, "shape that it claims"),
        ({"shape": None, "datatype": "FP32", "data": [1.0, 2.0, 3.0]}, "shape that it claims"),
        ({"shape": [1, 3], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}, "does not belong to the images"),
        ({"shape": [3, 1], "datatype": "BYTES", "data": [1.0, 2.0, 3.0]}, "holds no numbers"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_an_error(server, tmp_path, output, said):
    """Claimed shape, number of values and datatype must agree."""
    server.answer = {"outputs": [output]}
    with pytest.raises(ModelError, match=said):
        load_model(spec(f"{server.address}/v2/models/net"), tmp_path).predict(IMAGES)


@pytest.mark.parametrize("metadata", [{}, [], {"inputs": []}, {"inputs": [{"name": "x", "datatype": "BYTES"}]}])
def test_metadata_without_one_input_of_numbers_is_an_error(server, tmp_path, metadata):
    """A server that does not say what it takes is not asked."""
    server.metadata = metadata
    with pytest.raises(ModelError):
        load_model(spec(f"{server.address}/v2/models/net"), tmp_path)
    assert server.asked == []


def test_a_busy_server_is_asked_again_with_growing_pauses(server, tmp_path):
    """503 and 429 are waited out, at least as long as the server asks."""
    server.answer = honest
    model = invocations(server, tmp_path)
    server.faults = [(503, {}), (429, {"Retry-After": "7"}), (502, {})]
    assert model.predict(IMAGES)[:, 0] == pytest.approx(MEANS, abs=1e-6)
    assert server.pauses == [0.5, 7.0, 2.0]


def test_a_busy_server_is_given_up_in_the_end(server, tmp_path):
    """Four tries, then an error that says so."""
    model = invocations(server, tmp_path)
    server.faults = [(503, {})] * 9
    with pytest.raises(ModelError, match="after 4 tries"):
        model.predict(IMAGES)
    assert len(server.asked) == 4


@pytest.mark.parametrize("code", [400, 404, 500])
def test_a_wrong_question_is_not_asked_twice(server, tmp_path, code):
    """An error that another try would not heal comes at once, with the server's words."""
    model = invocations(server, tmp_path)
    server.faults = [(code, {})] * 2
    with pytest.raises(ModelError, match=f"HTTP {code}.*busy"):
        model.predict(IMAGES)
    assert len(server.asked) == 1


def test_no_redirect_is_followed(server, tmp_path):
    """Images go to the declared address and nowhere else."""
    server.answer = honest
    model = invocations(server, tmp_path)
    server.faults = [(307, {"Location": f"{server.address}/elsewhere"})]
    with pytest.raises(ModelError, match="HTTP 307"):
        model.predict(IMAGES)


def test_a_silent_server_is_given_up(server, tmp_path):
    """The timeout of the file bounds every try."""
    model = invocations(server, tmp_path, timeout=0.05)
    gate = threading.Event()

    def late(body):
        gate.wait(1)
        return honest(body)

    server.answer = late
    with pytest.raises(ModelError, match=r"TimeoutError|timed out"):
        model.predict(IMAGES)
    gate.set()


def test_the_digest_follows_what_the_server_says_of_itself(server, tmp_path):
    """Another version behind the same address is another model, also in the middle of a run."""
    model = load_model(spec(f"{server.address}/v2/models/net"), tmp_path)
    assert model.state_digest() == model.card.digest
    server.metadata = {**METADATA, "versions": ["2"]}
    assert model.state_digest() != model.card.digest
    assert "cannot be hashed" in model.card.notes[0]


@pytest.mark.parametrize(
    "path", ["http://localhost/predict", "ftp://localhost/invocations", "/invocations", "http://u:p@h/invocations",
             "http://h/invocations?token=1", None],
)  # fmt: skip
def test_an_address_without_a_known_protocol_is_refused(tmp_path, path):
    """Before anything is sent, and so is one that holds a secret."""
    with pytest.raises(ModelError):
        load_model(spec(path), tmp_path)


def test_a_server_that_is_not_there_is_an_error(server, tmp_path):
    """A port where nobody listens."""
    address = server.address
    server.shutdown()
    server.server_close()
    with pytest.raises(ModelError, match="does not say what it serves"):
        load_model(spec(f"{address}/invocations"), tmp_path)
