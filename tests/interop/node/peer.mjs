// Ids and seals, from sections 1 and 3 of proto/README.md.

import { randomBytes } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1";
import { sha256 } from "@noble/hashes/sha2";

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
const ID_VERSION = 0x30;
const SEAL_BYTES = { first: 91, other: 69 }; // of replies, by their place in the call
const REQUEST = 0;
const REPLY = 1;

const doubleSha256 = (data) => sha256(sha256(data));

export function base58(bytes) {
  let number = BigInt("0x0" + Buffer.from(bytes).toString("hex"));
  let text = "";
  for (; number > 0n; number /= 58n) text = ALPHABET[Number(number % 58n)] + text;
  const zeros = bytes.findIndex((byte) => byte !== 0);
  return "1".repeat(zeros < 0 ? bytes.length : zeros) + text;
}

export function idText(id) {
  const body = Buffer.concat([Buffer.from([ID_VERSION]), id]);
  return base58(Buffer.concat([body, doubleSha256(body).subarray(0, 4)]));
}

export class Key {
  #secret = secp256k1.utils.randomPrivateKey();
  id = idOf(secp256k1.getPublicKey(this.#secret, true));

  sign(digest) {
    const signature = secp256k1.sign(digest, this.#secret, { lowS: true });
    return Buffer.concat([signature.toCompactRawBytes(), Buffer.from([signature.recovery])]);
  }
}

function idOf(publicKey) {
  return Buffer.from(doubleSha256(publicKey).subarray(0, 20));
}

/** Who made a 65-byte signature of a digest. */
function signerOf(digest, signature) {
  const point = secp256k1.Signature.fromCompact(signature.subarray(0, 64))
    .addRecoveryBit(signature[64])
    .recoverPublicKey(digest);
  return idOf(point.toRawBytes(true));
}

/** One call's seals, in both directions. */
export class SealedCall {
  #nonce = randomBytes(12);
  #time = Buffer.alloc(8); // big-endian, as it is signed
  #sent = 0;
  #received = 0;

  /** `server` is the id of the peer that is meant, or null if it is not known. */
  constructor(key, path, server) {
    this.key = key;
    this.path = Buffer.from(path, "ascii");
    this.server = server;
    this.recipient = server ?? Buffer.alloc(20);
    this.#time.writeBigUInt64BE(BigInt(Date.now()));
  }

  /** Give a request's body with its seal behind it. */
  seal(body) {
    const isFirst = this.#sent === 0;
    const signature = this.key.sign(this.#digest(REQUEST, this.recipient, this.#sent++, body));
    const parts = [Buffer.from([0x22, 0x41]), signature];
    if (isFirst) {
      const time = Buffer.from(this.#time).reverse();
      parts.unshift(Buffer.from([0x09]), time, Buffer.from([0x12, 0x0c]), this.#nonce, Buffer.from([0x1a, 0x14]), this.key.id);
    }
    const seal = Buffer.concat(parts);
    return Buffer.concat([body, Buffer.from([0x7a, seal.length]), seal]);
  }

  /** Give the body of the next reply, or throw if it is not its sender's. */
  open(message) {
    const isFirst = this.#received === 0;
    const size = isFirst ? SEAL_BYTES.first : SEAL_BYTES.other;
    const body = message.subarray(0, Math.max(0, message.length - size));
    const seal = message.subarray(body.length);
    const head = isFirst ? [0x7a, size - 2, 0x1a, 0x14] : [0x7a, size - 2, 0x22, 0x41];
    if (seal.length !== size || !seal.subarray(0, 4).equals(Buffer.from(head))) throw new Error("missing seal");
    if (isFirst && (seal[24] !== 0x22 || seal[25] !== 0x41)) throw new Error("missing seal");
    const signer = isFirst ? seal.subarray(4, 24) : this.server;
    const digest = this.#digest(REPLY, this.key.id, this.#received++, body);
    if (!signerOf(digest, seal.subarray(-65)).equals(signer)) throw new Error("changed reply");
    if (this.server !== null && !signer.equals(this.server)) throw new Error("foreign reply");
    this.server = Buffer.from(signer);
    return body;
  }

  #digest(direction, recipient, index, body) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(index);
    const head = Buffer.concat([Buffer.from("loudp2p/v1 seal", "ascii"), Buffer.from([direction, this.path.length]), this.path]);
    return sha256(Buffer.concat([head, recipient, this.#time, this.#nonce, number, body]));
  }
}
