import { describe, expect, it } from 'vitest';
import type { Api } from '../src/api';
import type { InstanceKernel } from '../src/api-types';
import { InstanceKernels, describeLost, describeWaiting, ordinal } from '../src/models/instance-kernels';

const KERNEL: InstanceKernel = {
  kernel_id: 'k1',
  resource_id: 'krn_1',
  instance_type: 'gpu-small',
  path: 'work/analysis.ipynb',
  state: 'waiting',
  message: 'asking for an instance',
  queue: null
};

function waitingAt(place: number): InstanceKernel {
  return { ...KERNEL, queue: { place, reason: 'needs 1 GPU; 0 are free', starts_in_seconds: 725 } };
}

describe('kernels on instances', () => {
  it('says which place one has in the queue, when it starts and why it waits', () => {
    expect(describeWaiting(waitingAt(3))).toBe(
      'analysis.ipynb: 3rd in the queue for gpu-small, starts in about 12 min (needs 1 GPU; 0 are free)'
    );
    expect(describeWaiting(KERNEL)).toBe('analysis.ipynb: asking for an instance');
    expect(describeLost({ ...KERNEL, state: 'lost', message: 'out of memory' })).toBe(
      'The kernel of analysis.ipynb on gpu-small has ended: out of memory'
    );
  });

  it('counts as people do', () => {
    expect([1, 2, 3, 4, 11, 12, 13, 21, 102, 111].map(ordinal)).toEqual([
      ...['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st', '102nd', '111th']
    ]);
  });

  it('tells each change once, and nothing of what was lost before', () => {
    const model = new InstanceKernels({} as Api);
    const told: string[] = [];
    model.waiting.connect((_, kernel) => told.push(`waits ${kernel.queue?.place ?? '-'}`));
    model.began.connect(() => told.push('began'));
    model.gone.connect(() => told.push('gone'));
    model.lost.connect((_, kernel) => told.push(`lost ${kernel.message}`));
    const old: InstanceKernel = { ...KERNEL, kernel_id: 'k0', state: 'lost', message: 'stopped' };
    model.take([old, waitingAt(2)]);
    model.take([old, waitingAt(2)]);
    model.take([old, waitingAt(1)]);
    model.take([old, { ...KERNEL, state: 'ready' }]);
    model.take([old, { ...KERNEL, state: 'lost', message: 'out of memory' }]);
    model.take([old, { ...KERNEL, kernel_id: 'k2' }]);
    model.take([old]);
    expect(told).toEqual(['waits 2', 'waits 1', 'began', 'lost out of memory', 'waits -', 'gone']);
    model.dispose();
  });
});
