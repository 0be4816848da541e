"""A hub on 127.0.0.1 that speaks as the public ones do, and misbehaves as it is told."""
import hashlib
import http.server
import json
import threading
import urllib.parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git_blob(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """Repository "owner/tiny" of `files` {name: bytes}; those above 1000 bytes are "large": LFS, behind
    a redirection to another path. Knobs:

    cut {name: [bytes, ...]}   the first answers for it break off after so many bytes
    served {name: bytes}       what is sent in its place
    listing                    a function that changes the listing's object
    status {path prefix: [status, ...]}   answered first
    loop                       names whose redirections lead in circles
    ranges                     False: Range is ignored
    requests                   (path, Range, Authorization) of all requests so far
    """

    def __init__(self, files):
        self.files = files
        self.cut, self.served, self.status = {}, {}, {}
        self.listing = lambda listing: listing
        self.loop, self.etag = set(), {}
        self.ranges = True
        self.requests = []
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def list(self):
        siblings = []
        for name, data in self.files.items():
            item = {"rfilename": name, "size": len(data), "blobId": git_blob(data)}
            if len(data) > 1000:
                item["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            siblings.append(item)
        return self.listing({"id": "owner/tiny", "sha": COMMIT, "siblings": siblings})

    def answer(self, request):
        path = urllib.parse.unquote(urllib.parse.urlsplit(request.path).path)
        self.requests.append((request.path, request.headers.get("Range"), request.headers.get("Authorization")))
        for prefix, statuses in self.status.items():
            if path.startswith(prefix) and statuses:
                return self.send(request, statuses.pop(0), b"a page about it")
        if path.startswith("/api/models/owner/tiny/revision/"):
            return self.send(request, 200, json.dumps(self.list()).encode())
        resolve = f"/owner/tiny/resolve/{COMMIT}/"
        if path.startswith(resolve):
            name = path[len(resolve):]
            if name in self.loop:
                return self.send(request, 302, b"", {"Location": request.path})
            if name in self.files and len(self.files[name]) > 1000:
                digest = hashlib.sha256(self.files[name]).hexdigest()
                return self.send(request, 302, b"", {
                    "Location": "/store/" + urllib.parse.quote(name),
                    "X-Linked-Etag": f'"{self.etag.get(name, digest)}"', "X-Linked-Size": str(len(self.files[name]))})
            return self.send_file(request, name)
        if path.startswith("/store/"):
            return self.send_file(request, path[len("/store/"):])
        self.send(request, 404, b"")

    def send(self, request, status, body, headers=None):
        request.send_response(status)
        for key, value in (headers or {}).items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def send_file(self, request, name):
        data = self.served.get(name, self.files.get(name))
        if data is None:
            return self.send(request, 404, b"")
        asked = request.headers.get("Range") if self.ranges else None
        begin = int(asked[len("bytes="):-1]) if asked else 0
        if begin and begin >= len(data):
            return self.send(request, 416, b"", {"Content-Range": f"bytes */{len(data)}"})
        headers = {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if begin else {}
        if not self.cut.get(name):
            return self.send(request, 206 if begin else 200, data[begin:], headers)
        request.send_response(206 if begin else 200)
        for key, value in headers.items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(data) - begin))
        request.end_headers()
        request.wfile.write(data[begin:begin + self.cut[name].pop(0)])
        request.wfile.flush()
        request.close_connection = True
        request.connection.shutdown(2)
