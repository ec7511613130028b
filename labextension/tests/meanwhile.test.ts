import { expect, it } from 'vitest';
import type { JsonObject, Kind, Resource } from '../src/api-types';
import { offeredActions } from '../src/models/kinds';
import { meanwhileOf } from '../src/models/meanwhile';

const KIND = {
  actions: [
    { name: 'stop', phases: ['CREATE_IN_PROGRESS'] },
    { name: 'start-on-cpu', phases: ['CREATE_IN_PROGRESS'] }
  ]
} as unknown as Kind;

function training(outputs: JsonObject, spec: JsonObject = {}, phase = 'CREATE_IN_PROGRESS'): Resource {
  return {
    deleted_at: null,
    spec,
    status: { phase, settled: phase === 'COMPLETE', outputs }
  } as unknown as Resource;
}

function offered(resource: Resource): string[] {
  return offeredActions(KIND, resource).map(action => action.name);
}

it('offers to start on CPU only where the platform says on what', () => {
  expect(offered(training({ queue: { place: 1, meanwhile: 'cpu-small' } }))).toEqual([
    'stop',
    'start-on-cpu'
  ]);
  expect(offered(training({ queue: { place: 1, meanwhile: null } }))).toEqual(['stop']);
  // of a row of a list it is not known
  expect(offered(training({}))).toEqual(['stop']);
  expect(offered(training({ queue: { meanwhile: 'cpu-small' } }, {}, 'COMPLETE'))).toEqual([]);
});

it('leads from the one that waits to its copy and back', () => {
  expect(meanwhileOf(training({ meanwhile: { training: 'trn_2', name: 'a-cpu' } }))).toEqual({
    offer: null,
    copy: { id: 'trn_2', name: 'a-cpu' },
    original: null
  });
  expect(meanwhileOf(training({}, { meanwhile_of: { training: 'trn_1', name: 'a' } })).original).toEqual({
    id: 'trn_1',
    name: 'a'
  });
  expect(meanwhileOf(training({ meanwhile: 'trn_2' }, { meanwhile_of: null }))).toEqual({
    offer: null,
    copy: null,
    original: null
  });
});
