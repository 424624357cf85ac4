// The same application as src/bin/app.rs, for PM2: its cluster mode, which alone reloads without
// closing the port, runs Node programs only. It follows PM2's own advice for graceful reloads:
// `process.send('ready')` when it listens, and on SIGINT it finishes what it holds.
const fs = require('fs');
const http = require('http');

const version = fs.readFileSync('version', 'utf8');
if (fs.existsSync('never-ready')) {
  process.on('SIGINT', () => process.exit(0));
  setInterval(() => {}, 1000);
} else {
  const server = http.createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': version.length });
    response.end(version);
  });
  server.listen(process.env.PORT, '127.0.0.1', () => process.send && process.send('ready'));
  process.on('SIGINT', () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  });
}
