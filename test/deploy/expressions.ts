import { parse } from 'yaml'
import { read } from '../house/pages.ts'

// What deploy/prometheus/alerts.yml and deploy/grafana/tidemark.json ask Prometheus for.

export interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly annotations?: Readonly<Record<string, string>>
}

interface Panel {
  readonly title: string
  readonly description?: string
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

interface Dashboard {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly definition?: string }[] }
}

export const RULES: readonly Rule[] = (
  parse(read('deploy/prometheus/alerts.yml')) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[]
  }
).groups.flatMap(({ rules }) => rules)

export const DASHBOARD = JSON.parse(read('deploy/grafana/tidemark.json')) as Dashboard

/** Series that an expression selects: a metric, and the labels by which they are matched. */
export interface Selector {
  readonly text: string
  readonly metric: string
  readonly labels: readonly string[]
}

const GROUPING = /\b(by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)/g
const SELECTOR = /(?<![\w$.:])([a-z_][\w:]*)(?![\w:]|\s*\()(\{[^}]*\})?/gi
const KEYWORDS = ['and', 'or', 'unless', 'bool', 'offset', 'by', 'on']

/** As far as our own expressions go: no brace or parenthesis within a string. */
export function selectorsOf(expression: string): Selector[] {
  return [...expression.replace(GROUPING, '').matchAll(SELECTOR)].flatMap(
    ([text, metric = '', matchers = '']) => {
      if (KEYWORDS.includes(metric)) return []
      const labels = Array.from(matchers.matchAll(/(\w+)\s*[=!]/g), ([, label]) => label as string)
      return [{ text, metric, labels }]
    },
  )
}

/** The labels by which series are grouped and joined. */
export function groupingOf(expression: string): string[] {
  return [...expression.matchAll(GROUPING)].flatMap(([, , labels = '']) =>
    labels.split(',').map((label) => label.trim()),
  )
}

/** What Grafana sends for a panel of all jobs and topologies, with a window of so many seconds. */
export function asSent(expression: string, seconds: number): string {
  return expression
    .replaceAll('$__rate_interval', `${seconds}s`)
    .replaceAll(/\$(job|topology)/g, '.*')
}
