// Runs exported networks in ONNX Runtime and holds the output to the one exported beside it:
//   MOPROF=build/release/moprof node tests/onnx/compare.js [SPEC|FOLDER...]
// A FOLDER holds what `moprof export -o FOLDER/model.onnx --io` writes. Without either: every variant
// in both forms. The bound is the one in the file's metadata, the
// distance ||y - expected||_2 / ||expected||_2. Exit code 1 if a network is off.
'use strict';
const { execFileSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const ort = require('../peers/node_modules/onnxruntime-node');

const moprof = process.env.MOPROF;

// The fields of one protobuf message as [number, value]: numbers for varints, bytes for the rest.
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let v = 0, scale = 1, b;
    do {
      b = bytes[at++];
      v += (b & 127) * scale;
      scale *= 128;
    } while (b & 128);
    return v;
  };
  while (at < bytes.length) {
    const key = varint();
    const length = [0, 8, varint, 0, 0, 4][key & 7];
    if ((key & 7) === 0) {
      yield [key >>> 3, varint()];
      continue;
    }
    const n = typeof length === 'function' ? length() : length;
    yield [key >>> 3, bytes.subarray(at, at + n)];
    at += n;
  }
}

// TensorProto of onnx.proto: dims 1, name 8, raw_data 9
function tensor(file) {
  const t = { dims: [] };
  for (const [number, value] of fields(fs.readFileSync(file))) {
    if (number === 1) t.dims.push(value);
    if (number === 8) t.name = value.toString();
    if (number === 9) t.data = new Float32Array(new Uint8Array(value).buffer);
  }
  return t;
}

// ModelProto: metadata_props 14, whose entries have key 1 and value 2
function metadata(file) {
  const props = {};
  for (const [number, value] of fields(fs.readFileSync(file))) {
    if (number !== 14) continue;
    const entry = Object.fromEntries(fields(value));
    props[entry[1].toString()] = entry[2].toString();
  }
  return props;
}

function bothForms() {
  const listed = JSON.parse(execFileSync(moprof, ['list', '-f', 'json']));
  const stems = new Set(listed.map((row) => row.variant.replace(':train', '')));
  return [...stems].flatMap((s) => [s, s.replace(/^[^+@]*/, '$&:train')]);
}

function distance(y, expected) {
  let off = 0, norm = 0;
  for (let i = 0; i < expected.length; i++) {
    off += (y[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(off / norm);
}

async function compare(spec, folder) {
  const isFolder = fs.existsSync(path.join(spec, 'model.onnx'));
  folder = isFolder ? spec : folder;
  const file = path.join(folder, 'model.onnx');
  if (!isFolder) execFileSync(moprof, ['export', spec, '-o', file, '--io']);
  const input = tensor(path.join(folder, 'test_data_set_0', 'input_0.pb'));
  const expected = tensor(path.join(folder, 'test_data_set_0', 'output_0.pb'));
  const bound = Number(metadata(file).bound);
  const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const feed = { [input.name]: new ort.Tensor('float32', input.data, input.dims) };
  const y = (await session.run(feed))[expected.name];
  await session.release();
  const isShaped = y.dims.join() === expected.dims.join() && y.data.length === expected.data.length;
  const error = isShaped ? distance(y.data, expected.data) : NaN;
  const ok = error <= bound; // false for NaN
  const name = isFolder ? path.basename(spec) : spec;
  console.log(`${ok ? 'ok  ' : 'OFF '} ${name.padEnd(32)} error ${error.toExponential(2)}  bound ${bound.toExponential(2)}`);
  return { spec: name, ok, error, ratio: error / bound };
}

async function main(specs) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'moprof-onnx-'));
  try {
    const all = [];
    for (const spec of specs.length > 0 ? specs : bothForms()) all.push(await compare(spec, folder));
    const worst = (key) => all.reduce((a, b) => (b[key] > a[key] ? b : a));
    const off = all.filter((r) => !r.ok).length;
    console.log(`${all.length} networks in ONNX Runtime ${ort.env.versions.node}, ${off} off; largest error ` +
      `${worst('error').error.toExponential(2)} (${worst('error').spec}), largest part of its bound ` +
      `${worst('ratio').ratio.toFixed(3)} (${worst('ratio').spec})`);
    return off === 0 ? 0 : 1;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

main(process.argv.slice(2)).then((code) => process.exit(code), (e) => {
  console.error(String(e.message || e));
  process.exit(1);
});
