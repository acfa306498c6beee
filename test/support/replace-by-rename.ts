import { renameSync, writeFileSync } from 'node:fs'

/** Gives a file new text as a kubelet and an editor do, so that nobody reads half of it. */
export function replaceByRename(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}
