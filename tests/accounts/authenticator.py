"""A device with passkeys, in software: answers as a browser hands it on (WebAuthn level 3, sections 5.8 and 6)."""

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """Holds one passkey. What a test does not change is honest."""

    origin: str = "http://localhost"
    verifies_user: bool = True
    counts: bool = True
    """Synchronised passkeys do not count; their counter stays 0."""
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user_handle: bytes = b""
    counter: int = 0

    def create(self, options: str, **changes: Any) -> str:
        """Answer to `registration_options`; `changes` go into the client data."""
        asked = json.loads(options)
        self.user_handle = unb64(asked["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        public = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        )
        credential = bytes(16) + struct.pack(">H", len(self.id)) + self.id + public
        data = self._data(asked["rp"]["id"], ATTESTED) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", asked, changes)
        return self._answer(
            {"clientDataJSON": b64(client), "attestationObject": b64(attestation), "transports": ["internal", "smoke-signals"]}
        )  # fmt: skip

    def get(self, options: str, **changes: Any) -> str:
        """Answer to `authentication_options`."""
        asked = json.loads(options)
        self.counter += self.counts
        data = self._data(asked["rpId"], 0)
        client = self._client("webauthn.get", asked, changes)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(self.user_handle),
            }
        )

    def _data(self, rp_id: str, more: int) -> bytes:
        flags = PRESENT | more | (VERIFIED if self.verifies_user else 0)
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, self.counter)

    def _client(self, kind: str, asked: dict[str, Any], changes: dict[str, Any]) -> bytes:
        client = {"type": kind, "challenge": asked["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps({**client, **changes}).encode()

    def _answer(self, response: dict[str, Any]) -> str:
        return json.dumps(
            {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
        )
