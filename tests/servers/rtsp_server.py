"""A camera for tests: GStreamer's RTSP server, playing prepared packets for ever.

Runs under the system's Python (Debian's `gi`), knows nothing of Hindsight. Arguments: a JSON
document {"port": 0, "auth": null | "basic" | "digest", "user", "password",
"mounts": {"/name": {"packets": FILE, "codec": "h264" | "h265", "audio": null | "aac" | "alaw"}}}.
FILE holds one line of JSON per access unit, {"at_ns", "size"}, an empty line, then the units one
after the other, in Annex B. Prints `ready PORT` when it listens.
"""

import json
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

AUDIO = {
    "aac": "audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=16000,channels=1 !"
    " avenc_aac bitrate=32000 ! rtpmp4gpay name=pay1 pt=97",
    "alaw": "audiotestsrc is-live=true wave=ticks ! audio/x-raw,rate=8000,channels=1 !"
    " alawenc ! rtppcmapay name=pay1 pt=8",
}


def load(path):
    """[(time in ns, bytes)] and the length of the whole in ns."""
    with open(path, "rb") as source:
        index = []
        while line := source.readline().strip():
            index.append(json.loads(line))
        units = [(entry["at_ns"], source.read(entry["size"])) for entry in index]
    step = units[-1][0] - units[-2][0]
    return units, units[-1][0] + step


class Camera(GstRtspServer.RTSPMediaFactory):
    """Pushes the units of one file, at their own pace, again and again."""

    def __init__(self, mount):
        super().__init__()
        self.mount = mount
        self.units, self.length_ns = load(mount["packets"])
        self.set_shared(True)

    def do_create_element(self, _url):
        """The pipeline; built when the first client comes."""
        codec = self.mount["codec"]
        text = (
            f"appsrc name=source is-live=true format=time caps=video/x-{codec},"
            f"stream-format=byte-stream,alignment=au ! {codec}parse disable-passthrough=false !"
            f" rtp{codec}pay name=pay0 pt=96 config-interval=0"
        )
        if self.mount.get("audio"):
            text += " " + AUDIO[self.mount["audio"]]
        return Gst.parse_launch(f"( {text} )")

    def do_configure(self, media):
        """Start pushing."""
        source = media.get_element().get_by_name_recurse_up("source")
        threading.Thread(target=self.push, args=(source,), daemon=True).start()

    def push(self, source):
        """Until the client is gone."""
        start, turn = time.monotonic_ns(), 0
        offset = None
        while True:
            for at_ns, unit in self.units:
                due = start + turn * self.length_ns + at_ns
                time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
                if offset is None:
                    clock = source.get_clock()
                    running = clock.get_time() - source.get_base_time() if clock else 0
                    offset = max(0, running)
                buffer = Gst.Buffer.new_wrapped(unit)
                buffer.pts = buffer.dts = offset + turn * self.length_ns + at_ns
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
            turn += 1


def main():
    """Serve until killed."""
    spec = json.loads(sys.argv[1])
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(spec.get("port", 0)))
    if spec.get("auth"):
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        if spec["auth"] == "digest":
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(spec["user"], spec["password"], token)
        else:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(spec["user"], spec["password"]), token)
        server.set_auth(auth)
    for path, mount in spec["mounts"].items():
        camera = Camera(mount)
        if spec.get("auth"):
            rights = GstRtspServer.RTSPPermissions()
            rights.add_permission_for_role("viewer", "media.factory.access", True)
            rights.add_permission_for_role("viewer", "media.factory.construct", True)
            camera.set_permissions(rights)
        server.get_mount_points().add_factory(path, camera)
    server.attach(None)
    print("ready", server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
