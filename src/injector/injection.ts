import type { InjectionRequest } from './annotations.ts'
import type { Pod } from './pod.ts'
import type { InjectionSettings } from './settings.ts'

/** An injection that has been understood, and the pod it is for. */
export interface Injection {
  readonly pod: Pod
  readonly namespace: string
  readonly request: InjectionRequest
  readonly settings: InjectionSettings
}
