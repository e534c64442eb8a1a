// Search, open and pull a track from a loudp2p server, with nothing but proto/ to go by.
//
//   node client.mjs HOST:PORT QUERY SEGMENTS
//
// prints one line of JSON for each thing that it got and checked; "bytes" are in base64.

import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import { blake2b } from "@noble/hashes/blake2";
import { sha256 } from "@noble/hashes/sha2";
import protobuf from "protobufjs";
import { base58, idText, Key, SealedCall } from "./peer.mjs";

const PROTO = fileURLToPath(new URL("../../../proto/loudp2p/v1/loudp2p.proto", import.meta.url));
const PACKAGE = protobuf.loadSync(PROTO).lookup("loudp2p.v1");
const DEADLINE_MS = 10_000;
const FIRST_TABLE = 0xff0000;
const TABLE_ENTRY_BYTES = 18;

const digestOf = (data) => Buffer.from(blake2b(data, { dkLen: 16 }));
const same = (bytes) => bytes;

function say(event, fields) {
  console.log(JSON.stringify({ event, ...fields }));
}

function check(holds, what) {
  if (!holds) throw new Error(what);
}

/** A call whose messages are sealed: requests go in as objects, replies come out as objects. */
class Call {
  constructor(client, key, service, method, server) {
    const path = `/loudp2p.v1.${service}/${method}`;
    const { requestType, responseType } = PACKAGE.lookupService(service).methods[method];
    this.request = PACKAGE.lookupType(requestType);
    this.response = PACKAGE.lookupType(responseType);
    this.seals = new SealedCall(key, path, server);
    const options = { deadline: Date.now() + DEADLINE_MS };
    this.stream = client.makeBidiStreamRequest(path, same, same, options); // on the wire, all kinds are alike
  }

  write(request) {
    this.stream.write(this.seals.seal(Buffer.from(this.request.encode(request).finish())));
  }

  async *replies() {
    for await (const message of this.stream) yield this.response.decode(this.seals.open(message));
  }
}

async function only(call, request) {
  call.write(request);
  call.stream.end();
  const replies = [];
  for await (const reply of call.replies()) replies.push(reply);
  check(replies.length === 1, "a unary method has one reply");
  return replies[0];
}

async function search(client, key, query) {
  const call = new Call(client, key, "Index", "Search", null);
  call.write({ query, limit: 5 });
  call.stream.end();
  const hits = [];
  for await (const reply of call.replies()) hits.push(...reply.hits);
  check(hits.length > 0, "no hit");
  return { hit: hits[0], server: call.seals.server };
}

async function open(client, key, server, trackId) {
  const reply = await only(new Call(client, key, "Streams", "Open", server), { trackId });
  check(Buffer.from(sha256(reply.manifest)).equals(trackId), "the manifest is not the track's");
  return PACKAGE.lookupType("Manifest").decode(reply.manifest);
}

/** Pull the first table of a rendition and its first segments, and check each. */
async function pull(client, key, server, trackId, manifest, rendition, count) {
  const call = new Call(client, key, "Streams", "Pull", server);
  const replies = call.replies();
  const tableSize = Math.min(64, manifest.segmentCount) * TABLE_ENTRY_BYTES;
  call.write({ trackId, ranges: [{ rendition, first: FIRST_TABLE, count: 1 }] });
  const table = Buffer.from((await replies.next()).value.data);
  check(table.length === tableSize, "the table has another size");
  check(digestOf(table).equals(manifest.renditions[rendition].tableHashes.subarray(0, 16)), "a false table");
  call.write({ ranges: [{ rendition, first: 0, count }] });
  call.stream.end();
  const segments = [];
  for await (const chunk of replies) {
    const entry = table.subarray(chunk.segment * TABLE_ENTRY_BYTES, (chunk.segment + 1) * TABLE_ENTRY_BYTES);
    const data = Buffer.from(chunk.data);
    check(chunk.rendition === rendition && chunk.segment === segments.length, "a segment out of order");
    check(data.length === entry.readUInt16BE(0) && digestOf(data).equals(entry.subarray(2)), "a false segment");
    segments.push(data);
  }
  check(segments.length === count, "segments are missing");
  return segments;
}

const [address, query, count] = process.argv.slice(2);
const client = new grpc.Client(address, grpc.credentials.createInsecure());
const key = new Key();
try {
  const { hit, server } = await search(client, key, query);
  const trackId = Buffer.from(hit.trackId);
  say("hit", { uri: `loud:${base58(trackId)}`, title: hit.title, peer_id: idText(server) });
  const manifest = await open(client, key, server, trackId);
  say("manifest", { title: manifest.title, segments: manifest.segmentCount });
  const segments = await pull(client, key, server, trackId, manifest, 0, Number(count));
  const bytes = Buffer.concat([Buffer.from(manifest.renditions[0].header), ...segments]);
  say("pulled", { segments: segments.length, bytes: bytes.toString("base64") });
} catch (error) {
  console.error(`client.mjs: ${error.message}`);
  process.exitCode = 1;
} finally {
  client.close();
}
