import { expect, test } from 'vitest'
import { type Branch, isLeaf, isTrue, type Leaf, type TreeNode } from '../../src/trees/ensemble.ts'
import { pathRows } from '../../src/trees/probe-rows.ts'

const leaf: Leaf = { weights: [] }
const branch = { feature: 0, value: 1, isEqual: true, missingIsTrue: false } as const

const WIDTH = 4

/** The values of a branch's feature in the rows that reach it. */
function valuesAt(root: TreeNode, wanted: Branch, rows: Float32Array): number[] {
  const values: number[] = []
  for (let at = 0; at < rows.length; at += WIDTH) {
    let node = root
    while (!isLeaf(node) && node !== wanted) {
      node = isTrue(node, rows[at + node.feature] as number) ? node.whenTrue : node.whenFalse
    }
    if (node === wanted) values.push(rows[at + wanted.feature] as number)
  }
  return values
}

test('a branch behind rare values is reached, at its value, beside it and without one', () => {
  const hidden: Branch = { ...branch, missingIsTrue: true, whenTrue: leaf, whenFalse: leaf }
  let root: TreeNode = { ...branch, value: 2, whenTrue: leaf, whenFalse: hidden }
  for (const feature of [1, 2, 3]) {
    const below = { feature, isEqual: false, value: Math.fround(5.01) }
    const inner: Branch = { ...branch, ...below, whenTrue: root, whenFalse: leaf }
    const upTo = { feature, isEqual: false, value: 5, missingIsTrue: true }
    root = { ...branch, ...upTo, whenTrue: leaf, whenFalse: inner }
  }
  const rows = pathRows([root], { width: WIDTH, most: 100 })
  const ulp = 2 ** -23
  expect(valuesAt(root, hidden, rows)).toEqual(
    expect.arrayContaining([1, 1 + ulp, 1 - ulp / 2, Number.NaN]),
  )
})

test('of trees that share nodes each branch is reached by one path, and no more than the most', () => {
  let root: TreeNode = leaf
  for (let value = 0; value < 60; value++) {
    root = { ...branch, isEqual: false, value, whenTrue: root, whenFalse: root }
  }
  expect(pathRows([root], { width: 1, most: 1_000 }).length).toBeGreaterThan(60)
  expect(pathRows([root], { width: 1, most: 7 }).length).toBeLessThanOrEqual(7 * 4)
})
