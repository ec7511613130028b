/** The files of a resource, each to download, or all of them as one archive. */
import { fileIcon } from '@jupyterlab/ui-components';
import { useEffect } from 'react';
import { formatAgo, formatBytes, plural } from '../../format';
import { useModel } from '../../models/model';
import { usePanel } from '../context';
import { Busy, Empty, Icon, Note } from '../parts';
import type { TabProps } from './registry';

/** Kinds whose files can be had as one zip. */
const ARCHIVED = new Set(['dataset', 'dataset-version', 'model']);

export function FilesTab(props: TabProps): JSX.Element {
  const { model, resource } = props;
  const { api } = usePanel();
  const loader = model.part.files;
  useModel(loader);
  const { isShown } = model;
  useEffect(() => {
    loader.watch(isShown);
    return () => loader.watch(false);
  }, [loader, isShown]);
  if (loader.error && !loader.value) {
    return <Note kind="warn">{loader.error}</Note>;
  }
  if (!loader.value) {
    return <Busy />;
  }
  const files = loader.value;
  if (files.length === 0) {
    return (
      <Empty icon={fileIcon} title="No files yet">
        What it writes shows up here.
      </Empty>
    );
  }
  const total = files.reduce((sum, file) => sum + file.size, 0);
  return (
    <div>
      <div className="orr-Bar">
        <span className="orr-Muted">
          {plural(files.length, 'file')}, {formatBytes(total)}
        </span>
        <span className="orr-Spring" />
        {ARCHIVED.has(resource.kind) && (
          <a
            className="orr-Link"
            href={api.url(`/${model.kind.plural}/${resource.id}/archive`)}
            download
            data-testid="orrery-archive"
          >
            Download all as zip
          </a>
        )}
      </div>
      <table className="orr-Table">
        <thead>
          <tr>
            <th scope="col">File</th>
            <th scope="col" className="orr-Number">
              Size
            </th>
            <th scope="col">Changed</th>
          </tr>
        </thead>
        <tbody>
          {files.map(file => (
            <tr key={file.path}>
              <th scope="row">
                <Icon icon={fileIcon} />{' '}
                <a
                  className="orr-Link"
                  href={api.fileUrl(model.kind.plural, resource.id, file.path)}
                  download={file.path.split('/').pop()}
                >
                  {file.path}
                </a>
              </th>
              <td className="orr-Number">{formatBytes(file.size)}</td>
              <td>{formatAgo(file.modified_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
