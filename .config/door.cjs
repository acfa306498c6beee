#!/usr/bin/env node
// The file that a command starts: it loads the program behind it, compiled once and kept.
//
// Node's own compile cache keeps what a file's first lines need, not the functions that its run goes on
// to compile: most of a start. This one is written when a run has ended well, so they are in it. It lies
// beside the program, where that may be written; not in /tmp, where others write too. An image brings it.
'use strict'
const { mkdirSync, readFileSync, renameSync, writeFileSync } = require('node:fs')
const { Script } = require('node:vm')

// The build puts the digest of each file here: what was compiled of another build is not taken.
const digests = { __proto__: null, __DIGESTS__: '' }
const cache = `${__dirname}/.compile-cache/${process.version}-${process.arch}/`
const loaded = { __proto__: null }
const compiled = []

function load(name) {
  const digest = digests[name]
  if (digest === undefined) return require(name)
  if (loaded[name] !== undefined) return loaded[name].exports
  const module = { exports: {} }
  loaded[name] = module
  const filename = __dirname + name.slice(1)
  const body = readFileSync(filename, 'latin1')
  const kept = cache + digest
  const script = new Script(`(function(exports,require,module,__filename,__dirname){${body}\n})`, {
    filename,
    cachedData: read(kept),
  })
  if (script.cachedDataRejected !== false) compiled.push({ script, kept })
  const run = script.runInThisContext()
  run.call(module.exports, module.exports, load, module, filename, __dirname)
  return module.exports
}

function read(path) {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

function keep() {
  if (compiled.length === 0) return
  // The program may have told the engine something else meanwhile (src/agent/small.ts).
  const asStarted = process[Symbol.for('conjur-agent.asStarted')]
  if (asStarted === undefined) write()
  else asStarted(write)
}

function write() {
  try {
    mkdirSync(cache, { recursive: true })
    for (const { script, kept } of compiled.splice(0)) {
      const half = `${kept}.${process.pid}`
      writeFileSync(half, script.createCachedData(), { flush: true })
      renameSync(half, kept)
    }
  } catch {
    // Where it cannot be kept, it is compiled again.
  }
}

// At a good end, or when a program that goes on has done its first work.
process.on('exit', (code) => code === 0 && keep())
load('./front.js')
setImmediate(() => compiled.length > 0 && setTimeout(keep, 5000).unref())
