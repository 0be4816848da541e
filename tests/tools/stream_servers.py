"""Cameras for tests, with Python's standard library alone: an RTSP server and a motion-JPEG one, on a
port of this machine, that can break off in mid-frame and come back."""
import contextlib
import socket
import struct
import threading


class Server:
    """Listens on a port, and again on the same one after a break. `play(connection)` is one client's
    thread; it returns, or its connection is cut by stop()."""

    def __init__(self):
        self.port = 0
        self.start()

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            self.play(connection)

    def stop(self):
        """As if the machine was switched off: nobody listens, open connections break."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class MotionJpeg(Server):
    """An IP camera over HTTP: multipart/x-mixed-replace. `frames()` yields (JPEG, seconds to wait before
    it); with `cut`, the last one is sent by half before the connection ends."""

    def __init__(self, frames):
        self.frames, self.cut = frames, False
        super().__init__()

    def play(self, connection):
        while b"\r\n\r\n" not in connection.recv(65536):
            pass
        connection.sendall(b"HTTP/1.0 200 OK\r\n"
                           b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        for jpeg, wait in self.frames():
            threading.Event().wait(wait)
            connection.sendall(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                               % len(jpeg) + jpeg + b"\r\n")
        if self.cut:
            connection.sendall(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                               % len(jpeg) + jpeg[:len(jpeg) // 2])


class Rtsp(Server):
    """RTSP (RFC 2326) over TCP with raw video (RFC 4175, YCbCr 4:2:2, 8 bits). `frames()` yields
    ((Y, Cb, Cr), RTP timestamp, seconds to wait before it): plain pictures of `size`."""

    def __init__(self, size, frames):
        self.size, self.frames = size, frames
        super().__init__()

    def play(self, connection):
        with connection.makefile("rb") as requests:
            while True:
                request, headers = requests.readline().split(), {}
                if not request:
                    return
                while (line := requests.readline()).strip():
                    name, _, value = line.partition(b":")
                    headers[name.strip().lower()] = value.strip()
                self.answer(connection, request[0].decode(), headers)
                if request[0] == b"PLAY":
                    self.send(connection)
                    return

    def answer(self, connection, method, headers):
        lines, body = ["RTSP/1.0 200 OK", "CSeq: " + headers[b"cseq"].decode()], ""
        if method == "OPTIONS":
            lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif method == "DESCRIBE":
            width, height = self.size
            body = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 raw/90000\r\n"
                    f"a=fmtp:96 sampling=YCbCr-4:2:2; width={width}; height={height}; depth=8; "
                    "colorimetry=BT601-5\r\na=framerate:10\r\na=control:track1\r\n")
            lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            lines += ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1"]
        elif method == "PLAY":
            lines += ["Session: 1", "RTP-Info: url=track1;seq=0;rtptime=0"]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())

    def send(self, connection):
        width, height = self.size
        for sequence, ((y, cb, cr), stamp, wait) in enumerate(self.frames()):
            threading.Event().wait(wait)
            row = bytes([cb, y, cr, y]) * (width // 2)
            lines = b"".join(  # bytes of the line; its number; its first pixel, with "another follows"
                struct.pack(">HHH", len(row), i, 0x8000 if i + 1 < height else 0)
                for i in range(height))
            packet = (struct.pack(">BBHIIH", 0x80, 0x80 | 96, sequence & 0xffff, stamp & 0xffffffff, 1,
                                  sequence >> 16) + lines + row * height)
            connection.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
