import { expect, test } from 'vitest'
import { METRICS } from '../../src/observe/metric-table.ts'
import { createWorkersMetrics } from '../../src/observe/metrics.ts'
import { TROUBLES, WORST_FIRST } from '../../src/runtime/troubles.ts'
import { anchorsOf } from '../house/pages.ts'
import { watched } from '../observe/events.ts'
import { observedMetrics } from '../observe/observed.ts'
import { DASHBOARD, groupingOf, RULES, selectorsOf } from './expressions.ts'

// Alerts and dashboard ask for what there is.

/** Labels that Prometheus gives each series, and `--workers` the series of a worker. */
const OF_TARGET = ['job', 'instance', 'worker']
/** By metric, its labels. */
const known = new Map<string, readonly string[]>([['up', []]])

/** Adds labels to what is known of a metric. */
function learn(name: string, labels: readonly string[] = []): void {
  known.set(name, [...new Set([...(known.get(name) ?? []), ...labels])])
}

const exposed = await observedMetrics([watched]).metrics.text()
const ofParent = createWorkersMetrics({
  droppedLines: () => 0,
  workers: [{ restarts: 0, trouble: null }],
})
for (const { name, type, labels } of METRICS) {
  for (const suffix of type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) {
    learn(`tidemark_${name}${suffix}`, labels)
  }
}
for (const text of [exposed, await ofParent.text()]) {
  for (const [, name = ''] of text.matchAll(/^# TYPE (\w+) histogram$/gm)) {
    for (const suffix of ['_bucket', '_sum', '_count']) learn(name + suffix)
  }
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    learn(
      name,
      Array.from(labels.matchAll(/(\w+)="/g), ([, label]) => label as string),
    )
  }
}
for (const { record, expr } of RULES) if (record !== undefined) known.set(record, groupingOf(expr))

const alerts = RULES.filter(({ alert }) => alert !== undefined)
const targets = DASHBOARD.panels.flatMap(({ targets: asked = [] }) => asked)
const expressions = [...RULES, ...targets].map(({ expr }) => expr)

test('alerts and dashboard select series of metrics that exist, by labels that they have', () => {
  const selectors = expressions.flatMap(selectorsOf)
  expect(selectors.length).toBeGreaterThan(60)
  expect(selectors.filter(({ metric }) => !known.has(metric))).toEqual([])
  const wrong = selectors.filter(({ metric, labels }) =>
    labels.some((label) => ![...OF_TARGET, ...(known.get(metric) ?? [])].includes(label)),
  )
  expect(wrong).toEqual([])
})

test('series are grouped, joined and named by labels that all of them have', () => {
  const places = [
    ...RULES.map(({ expr, annotations = {} }) => {
      const text = Object.values(annotations).join(' ')
      const named = Array.from(text.matchAll(/\$labels\.(\w+)/g), ([, label]) => label as string)
      return { expr, named }
    }),
    ...targets.map(({ expr, legendFormat }) => {
      const named = Array.from(
        legendFormat.matchAll(/\{\{(\w+)\}\}/g),
        ([, name]) => name as string,
      )
      return { expr, named }
    }),
  ]
  const wrong = places.flatMap(({ expr, named }) => {
    const isLabel = (label: string) =>
      OF_TARGET.includes(label) ||
      selectorsOf(expr).every(({ metric }) => known.get(metric)?.includes(label))
    return [...groupingOf(expr), ...named]
      .filter((label) => !isLabel(label))
      .map((label) => ({ expr, label }))
  })
  expect(wrong).toEqual([])
})

test('troubles that stop work are told from the others as the table of troubles does', () => {
  // While its group is rebalanced, a worker commits nothing.
  const slow = WORST_FIRST.filter((k) => TROUBLES[k].effect !== 'waits' && k !== 'rebalance')
  const named = expressions
    .flatMap((expr) => [...expr.matchAll(/kind[!=]~"([^"]+)"/g)])
    .map(([, kinds = '']) => kinds.split('|'))
  expect(named).toEqual([slow, slow, slow])
})

test('each alert has a name of ours, and a section of the runbook', () => {
  expect(alerts).toHaveLength(10)
  const sections = anchorsOf('docs/runbook.md')
  for (const { alert = '', annotations = {} } of alerts) {
    expect(alert).toMatch(/^Tidemark[A-Z]/)
    expect(Object.keys(annotations)).toEqual(['summary', 'description', 'runbook'])
    const [page, anchor = ''] = (annotations['runbook'] as string).split('#')
    expect([page, anchor]).toEqual(['docs/runbook.md', alert.toLowerCase()])
    expect(sections).toContain(anchor)
  }
})

test('the pages that the dashboard names have these sections', () => {
  const text = JSON.stringify(DASHBOARD)
  const links = Array.from(text.matchAll(/(docs\/[\w-]+\.md)#([\w-]+)/g), ([, page, anchor]) => ({
    page: page as string,
    anchor: anchor as string,
  }))
  expect(links.length).toBeGreaterThan(3)
  expect(links.filter(({ page, anchor }) => !anchorsOf(page).has(anchor))).toEqual([])
})
