// ONNX Runtime in a process of its own for peer_onnxruntime.c.
//   node onnxruntime.js --version
//   node onnxruntime.js --overhead            what a run takes that computes nothing (one value, one Relu), ns
//   node onnxruntime.js MODEL INPUT THREADS   then a line a command: "run N" answers N times in ns,
//                                             "output FILE" writes the output; raw float32 files
"use strict";
const fs = require("fs");
// The synchronous run of the native module: what the promise of the public session.run() waits for, and
// without the turns of the event loop before and after it.
const { binding, initOrt } = require("onnxruntime-node/dist/binding");
const { Tensor } = require("onnxruntime-common");
const { version } = require("onnxruntime-node/package.json");

function load(model, threads) {
    const session = new binding.InferenceSession();
    session.loadModel(model, {
        intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: "sequential",
        graphOptimizationLevel: "all", enableCpuMemArena: true, enableMemPattern: true,
        executionProviders: ["cpu"], logSeverityLevel: 3,
    });
    return session;
}

function prepare(session, data) {
    const input = session.inputMetadata[0], output = session.outputMetadata[0];
    const elements = output.shape.reduce((a, b) => a * b, 1);
    const fetches = { [output.name]: new Tensor("float32", new Float32Array(elements), output.shape) };
    const feeds = { [input.name]: new Tensor("float32", data, input.shape) };
    return { session, feeds, fetches, name: output.name };
}

function run(net, n) {
    const times = [];
    let result;
    for (let i = 0; i < n; i++) {
        const began = process.hrtime.bigint();
        result = net.session.run(net.feeds, net.fetches, {});
        times.push(process.hrtime.bigint() - began);
    }
    net.output = result[net.name].data;
    return times;
}

// A model of one Relu over one value: ModelProto by hand, field by field (onnx.proto, IR version 8).
function smallest() {
    const bytes = (field, value) => {
        const body = Buffer.isBuffer(value) ? value : Buffer.from(value);
        return Buffer.concat([Buffer.from([field << 3 | 2, body.length]), body]);
    };
    const number = (field, value) => Buffer.from([field << 3, value]);
    const shape = bytes(2, bytes(1, number(1, 1)));
    const type = bytes(2, bytes(1, Buffer.concat([number(1, 1), shape])));
    const value = (name) => Buffer.concat([bytes(1, name), type]);
    const node = Buffer.concat([bytes(1, "x"), bytes(2, "y"), bytes(4, "Relu")]);
    const graph = Buffer.concat([bytes(1, node), bytes(2, "g"), bytes(11, value("x")), bytes(12, value("y"))]);
    return Buffer.concat([number(1, 8), bytes(7, graph), bytes(8, number(2, 17))]);
}

function overhead() {
    const session = new binding.InferenceSession(), model = smallest();
    session.loadModel(model.buffer, model.byteOffset, model.byteLength, { intraOpNumThreads: 1 });
    const net = prepare(session, new Float32Array([1]));
    run(net, 2000);
    const times = run(net, 2001).map(Number).sort((a, b) => a - b);
    console.log(times[1000]);
}

function* lines() {
    const chunk = Buffer.alloc(4096);
    let text = "";
    for (let n; (n = fs.readSync(0, chunk, 0, chunk.length, null)) > 0;) {
        text += chunk.toString("utf8", 0, n);
        for (let end; (end = text.indexOf("\n")) >= 0; text = text.slice(end + 1)) yield text.slice(0, end);
    }
}

function answer(text) {
    fs.writeSync(1, text + "\n");
}

function serve(model, input, threads) {
    const raw = fs.readFileSync(input);
    const data = new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
    const net = prepare(load(model, threads), data);
    answer("ready");
    for (const line of lines()) {
        const [command, argument] = line.split(" ");
        if (command === "run") {
            answer(run(net, Number(argument)).join(" "));
        } else {
            fs.writeFileSync(argument, Buffer.from(net.output.buffer, net.output.byteOffset, net.output.byteLength));
            answer("written");
        }
    }
}

initOrt();
if (process.argv[2] === "--version") console.log(version);
else if (process.argv[2] === "--overhead") overhead();
else serve(process.argv[2], process.argv[3], Number(process.argv[4]));
