import { setTimeout as delay } from 'node:timers/promises'
import type { FileOutcome } from './file-set.ts'
import type { Output, Published, Snapshot } from './output.ts'
import { decideGroup, type GroupDecision } from './group-decision.ts'
import { groupPaths, withEntries, type SecretGroup } from './secret-group.ts'
import { volume, type VolumeOptions } from './volume.ts'

export interface SecretFilesOptions extends VolumeOptions {
  readonly groups: readonly SecretGroup[]
  readonly formatCompatibility: 'safe' | 'secrets-provider'
}

/**
 * All secret groups of a configuration as one set of files on one volume.
 *
 * A group that cannot be rendered stays as it is on the volume and carries its error; the others
 * are published. What concerns the whole volume is thrown, with the last set still in place.
 */
export function secretFiles(options: SecretFilesOptions): Output {
  const { groups, formatCompatibility } = options
  const place = volume(options)
  return {
    name: 'secret files',
    async publish(snapshot: Snapshot, signal: AbortSignal) {
      signal.throwIfAborted()
      const held = place.held(groups.flatMap(groupPaths))
      const decisions = groups.map((group) =>
        decideGroup(group, snapshot, { held, formatCompatibility }),
      )
      const { outcomes, sweep } = place.publish({
        files: new Map(decisions.flatMap(({ files }) => [...files])),
        keep: new Set(decisions.flatMap(({ keep }) => keep)),
        gone: new Set(decisions.flatMap(({ gone }) => gone)),
      })
      if (sweep !== undefined) {
        await pause(signal)
        sweep()
      }
      const known = groups.map((group) => withEntries(group, snapshot.listed) ?? group)
      return report(known, decisions, outcomes)
    },
    standing() {
      const held = place.held(groups.flatMap(groupPaths))
      return groups.flatMap((group) =>
        groupPaths(group).map((path): Published => ({
          name: path,
          kind: group.format,
          values: group.format === 'plain' ? 1 : group.entries.length,
          state: held.has(path) ? 'kept' : 'missing',
        })),
      )
    },
  }
}

/**
 * The time that a reader has to get through a set that was just superseded. Between resolving
 * `..data` and opening the file it may be kept from the processor; without a pause one read in
 * 10,000 found nothing while sets followed each other as fast as they could.
 */
const READERS_MS = 200

async function pause(signal: AbortSignal): Promise<void> {
  // An abort comes too late to undo anything: it only shortens the wait (P7).
  await delay(READERS_MS, undefined, { signal }).catch(() => undefined)
}

function report(
  groups: readonly SecretGroup[],
  decisions: readonly GroupDecision[],
  outcomes: ReadonlyMap<string, FileOutcome>,
): Published[] {
  const rest = new Map(outcomes)
  const published = groups.flatMap((group, index) => {
    const { error, notes = [], values } = decisions[index] ?? {}
    const said = {
      ...(error === undefined ? {} : { error }),
      ...(notes.length === 0 ? {} : { notes }),
    }
    return groupPaths(group).map((name): Published => {
      const outcome = rest.get(name) ?? { state: 'missing' }
      rest.delete(name)
      return { name, kind: group.format, values: values?.get(name) ?? 0, ...outcome, ...said }
    })
  })
  for (const [name, outcome] of rest) published.push({ name, kind: 'file', values: 0, ...outcome })
  return published
}
