"""Prints sm4_kwp.txt: RFC 5649 spelt out over OpenSSL's SM4, by way of `cryptography`.

First it wraps the two examples of RFC 5649 with AES, to show that the construction is right.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def wrap(cipher, key, data):
    encryptor = Cipher(cipher(key), modes.ECB()).encryptor()
    block = bytes.fromhex("a65959a6") + len(data).to_bytes(4, "big")
    data += bytes(-len(data) % 8)
    if len(data) == 8:
        return encryptor.update(block + data)
    rows = [data[at : at + 8] for at in range(0, len(data), 8)]
    count = 0
    for _round in range(6):
        for at, row in enumerate(rows):
            count += 1
            out = encryptor.update(block + row)
            block = (int.from_bytes(out[:8], "big") ^ count).to_bytes(8, "big")
            rows[at] = out[8:]
    return block + b"".join(rows)


aes_key = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
for plain, wrapped in [
    ("c37b7e6492584340bed12207808941155068f738", "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"),
    ("466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f"),
]:
    assert wrap(algorithms.AES, aes_key, bytes.fromhex(plain)).hex() == wrapped

print("# Key, bytes, wrapped bytes: key wrap with padding (RFC 5649) over SM4, made by sm4_kwp.py")
sm4_key = bytes.fromhex("0123456789abcdeffedcba9876543210")
for length in [1, 8, 9, 16, 31, 138]:
    data = bytes(range(length))
    print(sm4_key.hex(), data.hex(), wrap(algorithms.SM4, sm4_key, data).hex())
