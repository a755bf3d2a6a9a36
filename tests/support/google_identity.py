"""Google's token, certificate and metadata endpoints on loopback, signing with a key of the test's own."""

import datetime
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

ACCOUNT = "caller@project.iam.gserviceaccount.com"


@dataclass
class Google:
    """A local Google: ``url`` is its address, ``asked`` the requests it has received."""

    url: str = ""
    key_id: str = "key-1"
    lifetime: int = 3600
    asked: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._key = rsa.generate_private_key(65537, 2048)

    def token(self, audience: str, **claims: object) -> str:
        """Returns a signed ID token; ``claims`` override the default ones."""
        now = int(datetime.datetime.now(datetime.UTC).timestamp())
        usual: dict[str, object] = {
            "iss": "https://accounts.google.com",
            "aud": audience,
            "sub": "1",
            "email": ACCOUNT,
            "email_verified": True,
            "iat": now,
            "exp": now + self.lifetime,
        }
        return jwt.encode(crypt.RSASigner.from_string(self.private_key, self.key_id), usual | claims).decode()

    @property
    def private_key(self) -> str:
        form = serialization.PrivateFormat.PKCS8
        return self._key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()

    @property
    def certificate(self) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.datetime.now(datetime.UTC)
        day = datetime.timedelta(days=1)
        built = x509.CertificateBuilder(name, name, self._key.public_key(), 1, now - day, now + day)
        return built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def key_file(self, path: Path) -> Path:
        """Writes the key file of a service account, in Google's format."""
        path.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": "project",
                    "private_key_id": self.key_id,
                    "private_key": self.private_key,
                    "client_email": ACCOUNT,
                    "client_id": "1",
                    "token_uri": f"{self.url}/token",
                }
            )
        )
        return path


@contextmanager
def google() -> Generator[Google]:
    """Runs a local Google within the block."""
    found = Google()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            split = urlsplit(self.path)
            found.asked.append(split.path)
            if split.path == "/certs":
                self._answer(json.dumps({found.key_id: found.certificate}), "application/json")
            elif split.path.endswith("/identity"):
                self._answer(found.token(parse_qs(split.query)["audience"][0]), "text/plain")
            elif split.path.endswith("/email"):
                self._answer(ACCOUNT, "text/plain")
            elif split.path.endswith("/service-accounts/default/"):
                scopes = ["https://www.googleapis.com/auth/cloud-platform"]
                self._answer(
                    json.dumps({"email": ACCOUNT, "scopes": scopes, "aliases": ["default"]}), "application/json"
                )
            elif "/computeMetadata/" in split.path or split.path == "/":
                self._answer("{}", "application/json")
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            split = urlsplit(self.path)
            found.asked.append(split.path)
            if split.path == "/token":
                asked = parse_qs(body)
                if "assertion" in asked:
                    claims = jwt.decode(asked["assertion"][0], certs={found.key_id: found.certificate}, verify=True)
                    wanted = claims.get("target_audience")
                    answer = {"id_token": found.token(wanted)} if wanted else {"access_token": "it", "expires_in": 3600}
                else:
                    answer = {"access_token": "user", "expires_in": 3600, "id_token": found.token("the-tool")}
                self._answer(json.dumps(answer), "application/json")
            elif split.path.endswith(":generateIdToken"):
                self._answer(json.dumps({"token": found.token(json.loads(body)["audience"])}), "application/json")
            elif split.path.endswith(":generateAccessToken"):
                later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
                answer = {"accessToken": "impersonated", "expireTime": later.strftime("%Y-%m-%dT%H:%M:%SZ")}
                self._answer(json.dumps(answer), "application/json")
            else:
                self.send_error(404)

        def _answer(self, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
