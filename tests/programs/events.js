// Timers, files, children, workers, sockets.
const { execFileSync, spawn } = require('child_process');
const crypto = require('crypto');
const fs = require('fs');
const net = require('net');
const { Worker } = require('worker_threads');

async function main() {
  console.log(crypto.createHash('sha256').update('text').digest('hex'));
  console.log(execFileSync('/bin/echo', ['from', 'a', 'child']).toString().trim());
  fs.writeFileSync('file', 'x'.repeat(100000));
  console.log((await fs.promises.readFile('file')).length);
  const code = await new Promise((done) => spawn('sh', ['-c', 'exit 6']).on('exit', done));
  console.log('exit', code);
  const sum = await new Promise((done) => {
    const body = `let s = 0; for (let i = 0; i < 1e6; i++) s += i;
      require('worker_threads').parentPort.postMessage(s);`;
    new Worker(body, { eval: true }).on('message', done);
  });
  console.log('worker', sum);
  const server = net.createServer((socket) => socket.pipe(socket)).listen('socket');
  const echoed = await new Promise((done) => {
    const client = net.connect('socket', () => client.end('echo'));
    client.on('data', (data) => done(data.toString()));
  });
  console.log(echoed);
  server.close();
  process.on('SIGUSR2', () => { console.log('signal'); process.exitCode = 8; });
  process.kill(process.pid, 'SIGUSR2');
  await new Promise((done) => setTimeout(done, 50));
}
main();
