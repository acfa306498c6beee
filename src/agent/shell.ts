import { accessSync, constants, statSync } from 'node:fs'

/** Where a shell is looked for: the usual places, and that of our own image. */
const SHELLS = ['/bin/sh', '/usr/bin/sh', '/usr/local/bin/sh'] as const

/** The shell that could sleep for us; undefined where there is none. */
export function findShell(): string | undefined {
  return SHELLS.find((path) => isProgram(path))
}

/** Why this process could not hibernate, in words for whoever asked for it. */
export function unfitToHibernate(): string | undefined {
  if (process.execve === undefined) {
    return `hibernate needs Node 22.15 or later, this is ${process.versions.node}; write stay`
  }
  return findShell() === undefined
    ? 'hibernate needs a shell, and there is no /bin/sh: use the image whose tag ends in -hibernate, or write stay'
    : undefined
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}
