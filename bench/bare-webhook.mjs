// The yardstick of the injector: a server for HTTPS that reads a review and answers with as many bytes, and nothing else.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'

const flag = (name) =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3)
const tls = { cert: readFileSync(flag('tls-cert')), key: readFileSync(flag('tls-key')) }
const patch = 'x'.repeat(4096)
const server = createServer(tls, (request, response) => {
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const { uid } = JSON.parse(Buffer.concat(chunks)).request
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ response: { uid, allowed: true, patch } }))
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ listen: `127.0.0.1:${server.address().port}` })}\n`)
})
