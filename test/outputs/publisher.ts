/*
 * Publishes one generation of three files after the other until it is killed, as fast as the
 * readers' time allows, and prints a dot for each. Where another one is faster it goes on.
 *
 *   node publisher.ts DIRECTORY PAUSE-MS
 */
import { setTimeout as delay } from 'node:timers/promises'
import { OutputError } from '../../src/core/errors.ts'
import { Secret } from '../../src/core/secret.ts'
import { volume } from '../../src/outputs/volume.ts'

const [directory = '', pause = '50'] = process.argv.slice(2)
const pauseMs = Number(pause)
const place = volume({ directory, publish: 'set', requireTmpfs: 'false' })
for (let generation = process.pid; ; generation++) {
  const content = new Secret(`${generation},`.repeat(2000))
  const files = new Map(['a', 'b', 'sub/c'].map((path) => [path, { content, mode: 0o644 }]))
  try {
    const { sweep } = place.publish({ files, keep: new Set(), gone: new Set() })
    process.stdout.write('.')
    await delay(pauseMs)
    sweep?.()
  } catch (error) {
    if (!(error instanceof OutputError) || !error.retryable) throw error
  }
}
