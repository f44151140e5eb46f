"""Owners: containers by cgroup, pods by kubelet, others by the settings, and the usage attributed to each."""

from __future__ import annotations

import selectors
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.gpu.owners import cgroup
from exporters.gpu.owners.ownership import NOBODY, Ledger, Owner, container_names, usage
from exporters.gpu.owners.podresources import ContainerRef, Lister, ProtocolError, Response, allocations, frame

POD, ID = "0f5d7a3e-1b2c-4d5e-8f90-a1b2c3d4e5f6", "ab" * 32
OTHER = "cd" * 32
ESCAPED = POD.replace("-", "_")


@pytest.mark.parametrize(
    ("text", "pod", "container"),
    [
        (f"0::/kubepods/burstable/pod{POD}/{ID}\n", POD, ID),
        (
            "0::/kubepods.slice/kubepods-burstable.slice/"
            f"kubepods-burstable-pod{ESCAPED}.slice/cri-containerd-{ID}.scope\n",
            POD,
            ID,
        ),
        (f"0::/kubepods.slice/kubepods-pod{ESCAPED}.slice/crio-{ID}.scope\n", POD, ID),
        (f"12:memory:/kubepods/besteffort/pod{POD}/{ID}\n11:cpu:/kubepods/besteffort/pod{POD}/{ID}\n", POD, ID),
        (f"1:name=systemd:/docker/{ID}\n0::/system.slice/containerd.service\n", "", ID),
        (f"0::/system.slice/docker-{ID}.scope\n", "", ID),
        (f"0::/machine.slice/libpod-{ID}.scope/container\n", "", ID),
        (f"0::/docker/{OTHER}/kubepods/pod{POD}/{ID}\n", POD, ID),
        (f"0::/kubepods/burstable/pod{'12' * 16}/{ID}\n", "12" * 16, ID),
        ("0::/user.slice/user-1000.slice/session-2.scope\n", "", ""),
        ("0::/\n", "", ""),
        ("", "", ""),
    ],
)
def test_containers_by_cgroup(text: str, pod: str, container: str) -> None:
    assert cgroup.parse(text) == (pod, container)


@given(st.text())
def test_any_text_is_some_cgroup_file(text: str) -> None:
    place = cgroup.parse(text)
    assert len(place.container) in (0, 64)


def test_a_process_that_is_gone_has_no_container(tmp_path: Path) -> None:
    assert cgroup.of_process(1, str(tmp_path)) is None


def test_container_names_are_those_of_kubelets_log_links(tmp_path: Path) -> None:
    (tmp_path / f"llama-7f9c_prod_vllm-{ID}.log").touch()
    (tmp_path / "something-else").touch()
    assert container_names(str(tmp_path)) == {ID: ContainerRef("prod", "llama-7f9c", "vllm")}
    assert container_names(str(tmp_path / "none")) == {}


def field(number: int, value: bytes) -> bytes:
    size, rest = bytearray(), len(value)
    while rest > 127:
        size.append(rest & 127 | 128)
        rest >>= 7
    return bytes([number << 3 | 2]) + bytes([*size, rest]) + value


def pod(name: str, namespace: str, container: str, *devices: str, resource: str = "nvidia.com/gpu") -> bytes:
    ids = b"".join(field(2, device.encode()) for device in devices)
    # Topology, which a device also has, and a field unknown to any version.
    device = field(1, resource.encode()) + ids + field(3, b"\x0a\x02\x08\x01") + b"\x78\x01"
    inner = field(1, container.encode()) + field(2, device)
    return field(1, field(1, name.encode()) + field(2, namespace.encode()) + field(3, inner))


def test_devices_of_a_pod_list() -> None:
    message = pod("a", "prod", "vllm", "GPU-1", "GPU-2::0") + pod("b", "dev", "x", "MIG-1")
    message += pod("c", "dev", "x", "eth0", resource="example.com/nic")
    assert allocations(message) == {
        "GPU-1": ContainerRef("prod", "a", "vllm"),
        "GPU-2::0": ContainerRef("prod", "a", "vllm"),
        "MIG-1": ContainerRef("dev", "b", "x"),
    }


@given(st.binary(max_size=300))
def test_any_bytes_are_a_pod_list_or_refused(data: bytes) -> None:
    try:
        allocations(data)
    except ProtocolError:
        return


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes_on_the_socket_are_a_response_or_refused(pieces: list[bytes]) -> None:
    response = Response()
    try:
        for piece in pieces:
            response.feed(piece)
    except ProtocolError:
        return


class Kubelet:
    """The real gRPC server with kubelet's one method, over a unix socket."""

    def __init__(self, path: Path, message: bytes) -> None:
        from concurrent.futures import ThreadPoolExecutor

        import grpc

        self.message = message
        method = grpc.unary_unary_rpc_method_handler(lambda request, context: self.message)
        service = grpc.method_handlers_generic_handler("v1.PodResourcesLister", {"List": method})
        self.server = grpc.server(ThreadPoolExecutor(1), options=[("grpc.max_send_message_length", -1)])
        self.server.add_generic_rpc_handlers((service,))
        self.server.add_insecure_port(f"unix:{path}")
        self.server.start()


@pytest.fixture
def selector() -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        yield selector


def ask(lister: Lister, selector: selectors.BaseSelector, now: float = 0.0, rounds: int = 1000) -> None:
    lister.tick(now)
    for _ in range(rounds):
        if not selector.get_map():
            return
        for key, events in selector.select(1.0):
            key.data(events)


def test_five_megabytes_from_a_real_grpc_server(tmp_path: Path, selector: selectors.BaseSelector) -> None:
    devices = [f"GPU-{number:032d}" for number in range(20)]
    message = b"".join(pod(f"pod-{n}", "prod", "c" * 4000, *devices) for n in range(1000))
    assert len(message) > 4_500_000
    kubelet = Kubelet(tmp_path / "kubelet.sock", message + pod("last", "prod", "vllm", "GPU-last"))
    lister = Lister(str(tmp_path / "kubelet.sock"), selector)
    ask(lister, selector)
    assert lister.up, lister.error
    assert lister.allocations["GPU-last"] == ContainerRef("prod", "last", "vllm")
    kubelet.server.stop(None)


def test_a_kubelet_that_never_responds_is_given_up(tmp_path: Path, selector: selectors.BaseSelector) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "kubelet.sock"))
        silent.listen(4)
        lister = Lister(str(tmp_path / "kubelet.sock"), selector)
        lister.allocations = {"GPU-1": ContainerRef("a", "b", "c")}
        lister._responded = 0.0
        lister.tick(0.0)
        assert selector.get_map()
        lister.tick(6.0)
        assert not lister.up
        assert not selector.get_map()
        # A response from a minute ago proves nothing about now.
        assert lister.allocations
        lister.tick(61.0)
        assert not lister.allocations
        lister.close()


def test_a_missing_kubelet_is_no_failure_of_the_page(tmp_path: Path, selector: selectors.BaseSelector) -> None:
    lister = Lister(str(tmp_path / "none.sock"), selector)
    lister.tick(0.0)
    assert not lister.up
    assert "No such file" in lister.error


def test_pings_and_settings_are_acknowledged_and_a_refusal_is_reported() -> None:
    response = Response()
    assert response.feed(frame(4, 0, 0, b"")) == frame(4, 1, 0, b"")
    assert response.feed(frame(6, 0, 0, b"12345678")) == frame(6, 1, 0, b"12345678")
    with pytest.raises(ProtocolError):
        response.feed(frame(7, 0, 0, bytes(8)))


def test_a_message_in_many_pieces() -> None:
    message = pod("a", "b", "c", "GPU-1")
    data = struct.pack(">BI", 0, len(message)) + message
    stream = frame(1, 4, 1, b"\x88") + frame(0, 0, 1, data[:7]) + frame(0, 0, 1, data[7:]) + frame(1, 5, 1, b"")
    response = Response()
    for number in range(len(stream)):
        assert not response.done
        response.feed(stream[number : number + 1])
    assert response.done
    assert allocations(response.message()) == {"GPU-1": ContainerRef("b", "a", "c")}


A, B = Owner("prod", "a", "", "prod", ""), Owner("dev", "b", "", "dev", "")


def gpu(*processes: tuple[int, int | None, float | None, int | None], mig: tuple[tuple[str, int, int], ...] = ()):
    return {"index": 0, "uuid": "GPU-0", "processes": processes, "mig": mig}


def test_a_sole_owner_is_booked_everything() -> None:
    found = usage(gpu((1, 10, 0.2, None), (2, 5, 0.1, None)), {1: A, 2: A}.get, {})
    assert found.shares == {A: 1.0}
    assert found.memory == {A: 15}
    assert found.processes == {A: 2}


def test_sharers_are_booked_by_time_and_the_rest_is_nobodys() -> None:
    found = usage(gpu((1, 10, 0.25, None), (2, 5, 0.5, None)), {1: A, 2: B}.get, {})
    ledger = Ledger()
    ledger.book(100.0, 10.0, found.shares)
    ledger.book(180.0, 14.0, found.shares)
    assert ledger.energy == {A: 20.0, B: 40.0, NOBODY: 20.0}
    assert ledger.busy == {A: 1.0, B: 2.0, NOBODY: 1.0}


def test_overlapping_processes_never_book_more_than_there_is() -> None:
    found = usage(gpu((1, 0, 0.9, None), (2, 0, 0.9, None)), {1: A, 2: B}.get, {})
    assert sum(found.shares.values()) == pytest.approx(1.0)


def test_unknown_memory_is_absent() -> None:
    assert usage(gpu((1, None, None, None)), {1: A}.get, {}).memory == {}


def test_mig_devices_have_owners_of_their_own() -> None:
    card = gpu((1, 10, None, 1), (2, 20, None, 2), mig=(("MIG-a", 1, 0), ("MIG-b", 2, 0)))
    found = usage(card, {}.get, {"MIG-a": A, "MIG-b": B})
    assert set(found.owners) == {(A, "MIG-a"), (B, "MIG-b")}
    assert found.memory == {A: 10, B: 20}


@given(st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1)), min_size=2))
def test_owners_sum_to_the_gpu(readings: list[tuple[float, float]]) -> None:
    ledger, total, counter = Ledger(), 0.0, 0.0
    for number, (added, share) in enumerate(readings):
        counter += added
        total += added if number else 0
        ledger.book(counter, None, {A: share})
    assert sum(ledger.energy.values()) == pytest.approx(total, rel=1e-6, abs=1e-3)


def test_a_counter_that_begins_anew_is_not_negative() -> None:
    ledger = Ledger()
    for value in (100.0, 200.0, 30.0):
        ledger.book(value, None, {A: 1.0})
    assert ledger.energy[A] == 130.0


def test_pods_of_the_settings_on_the_page(start, fake, tmp_path: Path) -> None:
    owners = {"0": {"tenant": "search", "service": "llama"}, fake[1].uuid.decode(): {"tenant": "legal"}}
    exporter = start(fake, owners=owners)
    page = exporter.healthy()
    assert page.one("gpu_owner_info", gpu="0", tenant="search", service="llama") == 1
    assert page.one("gpu_owner_info", gpu="1", tenant="legal") == 1
    assert page.one("telltale_gpu_owners_up", source="settings") == 1
    fake[0].set_field(83, 15_000_000)
    exporter.when(lambda page: page.one("gpu_owner_energy_joules_total", gpu="0", tenant="search") == 10_000)


def test_pods_of_kubelet_on_both_pages(start, fake, tmp_path: Path) -> None:
    kubelet = Kubelet(tmp_path / "k.sock", pod("llama-1", "prod", "vllm", fake[0].uuid.decode()))
    exporter = start(fake, pod_resources_socket=str(tmp_path / "k.sock"), owners={"prod/llama-*": {"service": "llama"}})
    page = exporter.when(lambda page: page.all("gpu_owner_info"))
    assert page.one("gpu_owner_info", namespace="prod", pod="llama-1", container="vllm", tenant="prod", service="llama")
    assert page.one("telltale_gpu_owners_up", source="pod_resources") == 1
    compat = exporter.page("/metrics/dcgm")
    assert compat.one("DCGM_FI_DEV_GPU_TEMP", gpu="0", pod="llama-1", namespace="prod", container="vllm") == 41
    assert "pod" not in compat.samples["DCGM_FI_DEV_GPU_TEMP"][1][0]
    kubelet.server.stop(None)


def test_a_hung_kubelet_hangs_nothing(start, fake, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "k.sock"))
        silent.listen(4)
        exporter = start(fake, pod_resources_socket=str(tmp_path / "k.sock"))
        page = exporter.healthy()
        assert page.one("telltale_gpu_owners_up", source="pod_resources") == 0


def test_processes_hidden_from_us_are_reported_as_hidden(start, fake) -> None:
    fake[0].run((2**22 + 5, 1 << 30, 50))
    exporter = start(fake)
    page = exporter.when(lambda page: page.all("telltale_gpu_owners_up", source="processes"))
    assert page.one("telltale_gpu_owners_up", source="processes") == 0
    assert page.one("gpu_owner_memory_used_bytes", gpu="0", pod="") == 1 << 30
    assert not page.all("gpu_owner_info")
