// Loaded before the agent: tells when each stage of its first pass was over, in milliseconds since exec.
const { subscribe } = require('node:diagnostics_channel')
const fs = require('node:fs')

const marks = { engine: performance.now() }
let replies = 0
subscribe('net.client.socket', ({ socket }) => {
  marks.load ??= performance.now()
  socket.once('secureConnect', () => (marks.tls = performance.now()))
})
subscribe('http.client.response.finish', () => {
  replies += 1
  marks[replies === 1 ? 'login' : 'batches'] = performance.now()
})
// Everything is rendered when the secrets directory is made.
const { mkdirSync } = fs
fs.mkdirSync = (path, ...more) => {
  if (path === process.env.CONJUR_SECRETS_DIRECTORY) marks.render ??= performance.now()
  return mkdirSync(path, ...more)
}
process.on('exit', () => {
  marks.publish = performance.now()
  process.stdout.write(JSON.stringify(marks))
})
