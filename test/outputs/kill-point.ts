/*
 * Publishes one set and is killed at the n-th call that changes the file system: half-way through
 * it where it writes, else just before it. Prints how many calls there were if it lives.
 *
 *   node kill-point.ts DIRECTORY set|each N FILES
 *
 * FILES is a JSON object of paths and contents.
 */
import fs, { type PathOrFileDescriptor } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import * as v from 'valibot'

const [directory = '', how, at, json = ''] = process.argv.slice(2)
let left = Number(at)
let calls = 0

for (const name of ['mkdirSync', 'chmodSync', 'fchmodSync', 'linkSync', 'symlinkSync'] as const) {
  killBefore(name)
}
for (const name of ['renameSync', 'unlinkSync', 'rmSync', 'rmdirSync', 'closeSync'] as const) {
  killBefore(name)
}
const writeFileSync = fs.writeFileSync
fs.writeFileSync = (file: PathOrFileDescriptor, data: string | NodeJS.ArrayBufferView) => {
  calls++
  if (--left === 0) {
    writeFileSync(file, Buffer.isBuffer(data) ? data.subarray(0, data.length / 2) : data)
    process.kill(process.pid, 'SIGKILL')
  }
  writeFileSync(file, data)
}
syncBuiltinESMExports()

function killBefore(name: Exclude<keyof typeof fs, 'constants' | 'promises'>): void {
  const call: unknown = Reflect.get(fs, name)
  if (typeof call !== 'function') throw new Error(`no function ${name}`)
  Reflect.set(fs, name, (...args: readonly unknown[]): unknown => {
    calls++
    if (--left === 0) process.kill(process.pid, 'SIGKILL')
    return Reflect.apply(call, fs, args)
  })
}

const { volume } = await import('../../src/outputs/volume.ts')
const { Secret } = await import('../../src/core/secret.ts')

const contents = v.parse(v.record(v.string(), v.string()), JSON.parse(json))
const files = new Map(
  Object.entries(contents).map(([path, text]) => [
    path,
    { content: new Secret(text), mode: 0o640 },
  ]),
)
const publish = how === 'each' ? 'each' : 'set'
const { sweep } = volume({ directory, publish, requireTmpfs: 'false' }).publish({
  files,
  keep: new Set(),
  gone: new Set(),
})
sweep?.()
process.stdout.write(String(calls))
