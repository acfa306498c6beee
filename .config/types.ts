import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Writes the declarations of `conjur-agent/devserver` to dist/types. The compiler keeps the `.ts`
 * of our imports in them, where no importer finds it: they become `.js`.
 */
const out = 'dist/types'
rmSync(out, { recursive: true, force: true })
execFileSync('tsc', ['-p', '.config/tsconfig.types.json'], { stdio: 'inherit' })
for (const name of readdirSync(out, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('.d.ts')) continue
  const path = join(out, name)
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace(/(from '\.[^']*)\.ts'/g, "$1.js'"))
}
