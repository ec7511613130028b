import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import {
  formatRate,
  asTyped,
  formatAgo,
  formatBytes,
  formatDuration,
  formatNumber,
  formatStart,
  humanize,
  propertyTitle,
  readableSpec,
  safeFileName,
  valueAt
} from '../src/format';
import { resourcePath } from '../src/api';
import { shownValue } from '../src/models/comparison';
import { shown } from '../src/models/trials';
import { ObjectPairs } from '../src/widgets/key-values';
import { TRAINING, makeResource } from './platform';

describe('format', () => {
  it('says how fast it goes in one way', () => {
    expect([1234, 12.5, 1.1].map(rate => formatRate(rate, 'step'))).toEqual([
      '1,230 steps/s',
      '12.5 steps/s',
      '1.1 steps/s'
    ]);
    expect([1, 0.998, 1.004].map(rate => formatRate(rate, 'epoch'))).toEqual(Array(3).fill('1 epoch/s'));
    expect([formatRate(0.5, 'step'), formatRate(0.025, 'epoch')]).toEqual(['2.0 s a step', '40 s an epoch']);
  });

  it('says when a job may start, and nothing where that is not known', () => {
    expect(formatStart(null)).toBe('');
    expect(formatStart(4)).toBe('starts in a moment');
    expect(formatStart(42)).toBe('starts in about 40 s');
    expect(formatStart(725)).toBe('starts in about 12 min');
    expect(formatStart(2 * 3600 + 300)).toBe('starts in about 2 h 5 min');
  });

  it('writes bytes, durations and numbers for people', () => {
    expect(formatBytes(0)).toBe('0 B');
    expect(formatBytes(124869)).toBe('122 KiB');
    expect(formatDuration(0.077)).toBe('77 ms');
    expect(formatDuration(8.9)).toBe('8.9 s');
    expect(formatDuration(77)).toBe('1 min 17 s');
    expect(formatDuration(7260)).toBe('2 h 1 min');
    expect(formatNumber(0.9694835680751175)).toBe('0.96948');
    expect(formatNumber(1e-7)).toBe('1.000e-7');
    expect(formatNumber(NaN)).toBe('NaN');
  });

  it('leaves hyperparameters as they were typed', () => {
    expect(asTyped(2026)).toBe('2026');
    expect(asTyped([10000, 0.123456789])).toBe('10000, 0.123456789');
    expect(asTyped(true)).toBe('Yes');
    expect(shownValue({ section: 'Parameters', key: 'max_seconds' }, 3600)).toBe('3600');
    expect(shownValue({ section: 'Metrics', key: 'rows' }, 3600)).toBe('3,600');
    expect(shown(2026)).toBe('2026');
  });

  it('shows them so on a page, and amounts with separators still', () => {
    const page = renderToStaticMarkup(
      createElement(ObjectPairs, {
        value: { max_rows: 5000, parameters: { year: 2026, warmup_seconds: 5000 } },
        schema: TRAINING.spec_schema
      })
    );
    expect(
      page
        .replace(/<[^>]+>/g, ' ')
        .replace(/ +/g, ' ')
        .trim()
    ).toBe('Max rows 5,000 Parameters Year 2026 Warmup 5000');
  });

  it('shows variables by their own names', () => {
    const value = { environment: { my_flag: '1' }, secrets: { HF_TOKEN: 'my-token' }, max_rows: 5000 };
    const page = renderToStaticMarkup(createElement(ObjectPairs, { value, schema: undefined }));
    const names = [...page.matchAll(/<dt[^>]*>([^<]+)<\/dt>/g)].map(([, name]) => name);
    expect(names).toEqual(['Environment', 'my_flag', 'Secrets', 'HF_TOKEN', 'Max rows']);
  });

  it('tells ages', () => {
    const now = Date.parse('2026-01-10T12:00:00Z');
    expect(formatAgo('2026-01-10T11:59:40Z', now)).toBe('just now');
    expect(formatAgo('2026-01-10T11:56:00Z', now)).toBe('4 min ago');
    expect(formatAgo('2026-01-09T11:00:00Z', now)).toBe('yesterday');
    expect(formatAgo(null, now)).toBe('');
  });

  it('makes titles of keys', () => {
    expect(humanize('peak_memory_bytes')).toBe('Peak memory');
    expect(humanize('roc_auc')).toBe('ROC AUC');
    expect(humanize('bytes')).toBe('Bytes');
    expect(propertyTitle('max_seconds', 'Max Seconds')).toBe('Max seconds');
    expect(propertyTitle('train', 'Training data')).toBe('Training data');
  });

  it('makes names that file systems take', () => {
    expect(safeFileName('my data/../x')).toBe('my-data-..-x');
    expect(safeFileName('***')).toBe('untitled');
  });

  it('reads values through lists', () => {
    expect(valueAt({ a: [{ b: 2 }] }, 'a.0.b')).toBe(2);
    expect(valueAt({ a: null }, 'a.b')).toBeUndefined();
  });

  it('writes pinned ids as names again', () => {
    const reference = {
      kind: 'dataset-version',
      id: 'dsv_1',
      owner: 'alice',
      name: 'breast',
      version: 1,
      deleted: false
    };
    const resource = makeResource({
      spec: { datasets: { train: 'dsv_1' }, note: 'dsv_1' },
      references: [{ ...reference, path: 'datasets.train' }]
    });
    expect(readableSpec(resource)).toEqual({ datasets: { train: 'alice/breast@1' }, note: 'dsv_1' });
  });
});

describe('resourcePath', () => {
  it('takes ids, names and versions', () => {
    expect(resourcePath('models', 'mdl_1')).toBe('/models/mdl_1');
    expect(resourcePath('models', 'alice/my model')).toBe('/models/by-name/alice/my%20model');
    expect(resourcePath('models', 'alice/breast@2')).toBe('/models/by-name/alice/breast?version=2');
  });
});
