/** The other versions of the same name, newest first. */
import { useEffect } from 'react';
import type { Resource } from '../api-types';
import { formatAgo, formatNumber, formatTime, humanize, isObject } from '../format';
import type { DetailModel } from '../models/detail';
import { useModel } from '../models/model';
import { Card } from './cards';
import { Note, PhaseBadge, ReferenceLink } from './parts';

/** A column for the first metrics that the versions have in common. */
const MOST_METRICS = 3;

export function Versions(props: { model: DetailModel; resource: Resource }): JSX.Element | null {
  const { model, resource } = props;
  const loader = model.part.versions;
  useModel(loader);
  const { isShown } = model;
  useEffect(() => {
    loader.watch(isShown);
    return () => loader.watch(false);
  }, [loader, isShown]);
  const versions = loader.value ?? [];
  if (loader.error && !loader.value) {
    return <Note kind="warn">{loader.error}</Note>;
  }
  if (versions.length < 2) {
    return null;
  }
  const metrics = metricsOf(versions);
  return (
    <Card title={`${versions.length} versions`} testId="orrery-versions">
      <table className="orr-Table">
        <thead>
          <tr>
            <th scope="col">Version</th>
            <th scope="col">Status</th>
            {metrics.map(name => (
              <th key={name} scope="col" className="orr-Number">
                {humanize(name)}
              </th>
            ))}
            <th scope="col">Created</th>
          </tr>
        </thead>
        <tbody>
          {versions.map(version => (
            <tr key={version.id} aria-current={version.id === resource.id || undefined}>
              <th scope="row">
                {version.id === resource.id ? (
                  <strong>{version.version} (this one)</strong>
                ) : (
                  <ReferenceLink kind={version.kind} reference={version} />
                )}
              </th>
              <td>
                <PhaseBadge kind={model.kind} resource={version} />
              </td>
              {metrics.map(name => (
                <td key={name} className="orr-Number">
                  {shown(version, name)}
                </td>
              ))}
              <td>
                <time title={formatTime(version.created_at)}>{formatAgo(version.created_at)}</time>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

function metricsOf(versions: Resource[]): string[] {
  const names = versions.flatMap(({ status }) =>
    isObject(status.outputs.metrics) ? Object.keys(status.outputs.metrics) : []
  );
  return [...new Set(names)].slice(0, MOST_METRICS);
}

function shown(version: Resource, name: string): string {
  const { metrics } = version.status.outputs;
  const value = isObject(metrics) ? metrics[name] : undefined;
  return typeof value === 'number' ? formatNumber(value) : '';
}
