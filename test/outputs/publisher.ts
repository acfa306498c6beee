/*
 * Publishes one generation of three files after the other until it is killed, as fast as the
 * readers' time allows, and prints a dot for each.
 *
 *   node publisher.ts DIRECTORY
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Secret } from '../../src/core/secret.ts'
import { volume } from '../../src/outputs/volume.ts'

const [directory = ''] = process.argv.slice(2)
const place = volume({ directory, publish: 'set', requireTmpfs: 'false' })
for (let generation = process.pid; ; generation++) {
  const content = new Secret(`${generation},`.repeat(2000))
  const files = new Map(['a', 'b', 'sub/c'].map((path) => [path, { content, mode: 0o644 }]))
  const { sweep } = place.publish({ files, keep: new Set(), gone: new Set() })
  process.stdout.write('.')
  await delay(50)
  sweep?.()
}
