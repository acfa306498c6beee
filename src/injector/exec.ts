import type { V1EnvVar, V1VolumeMount } from '@kubernetes/client-node'
import { PREFIX } from './annotation-notes.ts'
import { environmentOf } from './environment.ts'
import type { Injection } from './injection.ts'
import { containersOf, type Pod, type PodContainer } from './pod.ts'
import { execMounts } from './volumes.ts'

/** What becomes of the containers whose program the agent runs itself, so that no value is ever a file. */
export interface Wrapped {
  readonly commands: ReadonlyMap<PodContainer, readonly string[]>
  readonly env: ReadonlyMap<PodContainer, readonly V1EnvVar[]>
  readonly mounts: ReadonlyMap<PodContainer, readonly V1VolumeMount[]>
  readonly problems: readonly string[]
}

/**
 * Puts `conjur-agent exec --` before the command of the containers that ask for it. Their image must
 * hold conjur-agent, and the manifest their command: what an image would run, nobody can see here.
 */
export function wrap(injection: Injection): Wrapped {
  const { pod, request } = injection
  const commands = new Map<PodContainer, readonly string[]>()
  const env = new Map<PodContainer, readonly V1EnvVar[]>()
  const mounts = new Map<PodContainer, readonly V1VolumeMount[]>()
  const problems: string[] = []
  const problem = (what: string): void => void problems.push(`${PREFIX}exec-containers: ${what}`)
  const given = environmentOf('exec', injection)
  for (const name of request.wrapped) {
    const container = containersOf(pod).find((candidate) => candidate.name === name)
    const command = container?.command ?? []
    if (container === undefined) {
      problem(`the pod has no container ${name}`)
      continue
    }
    if (command.length === 0) {
      problem(`container ${name} names no command to wrap; write the one of its image`)
    }
    const own = new Set((container.env ?? []).map((variable) => variable.name))
    const taken = given.filter((variable) => own.has(variable.name))
    if (taken.length > 0) {
      const names = taken.map((variable) => variable.name).join(', ')
      problem(`container ${name} sets ${names}, which the administrator sets; remove it`)
    }
    const path = `--jwt-token-path=${request.tokenPath}`
    commands.set(container, ['conjur-agent', 'exec', path, '--', ...command])
    env.set(container, given)
    mounts.set(container, execMounts())
  }
  return { commands, env, mounts, problems }
}

/** Whether these containers are wrapped already. */
export function isWrapped(pod: Pod, names: readonly string[]): boolean {
  return names.every((name) =>
    containersOf(pod).some(
      (container) =>
        container.name === name &&
        container.command?.[0] === 'conjur-agent' &&
        container.command[1] === 'exec',
    ),
  )
}
