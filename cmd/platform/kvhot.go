package main

import (
	"context"
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/micro/platform/kv-srv/kvclient"
)

func (a *app) kvHot() *cli.Command {
	return &cli.Command{
		Name: "hot", Usage: "list the keys that were used most in about the last minute",
		Description: "The most frequent first, with reads and writes in a second: estimates, of the one instance of the\nservice that answers. --address chooses it.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", HideDefault: true, Usage: "those of all namespaces"},
			&cli.Int32Flag{Name: "limit", HideDefault: true, Usage: "`NUMBER` of keys at most, up to 100 (default: 20)"},
		},
		Action: a.withKV(0, 0, true, a.runKVHot),
	}
}

func (a *app) runKVHot(ctx context.Context, cmd *cli.Command, kv *kvclient.Client, _ []string) error {
	opts := []kvclient.HotKeysOption{kvclient.MaxKeys(cmd.Int32("limit"))}
	if cmd.Bool("all") {
		if cmd.IsSet(flagNamespace) {
			return usage("%s: takes one of --all and --%s", cmd.FullName(), flagNamespace)
		}
		opts = append(opts, kvclient.AllNamespaces())
	}
	keys, err := kv.HotKeys(ctx, opts...)
	if err != nil {
		return err
	}
	if asJSON(cmd) {
		a.json(newJSONHotKeys(keys))
		return nil
	}
	t := a.table("NAMESPACE", "KEY", "READS/S", "WRITES/S")
	for _, k := range keys {
		t.row(k.Namespace, k.Key, strconv.FormatFloat(k.Reads, 'f', 1, 64), strconv.FormatFloat(k.Writes, 'f', 1, 64))
	}
	t.flush()
	return nil
}

// jsonHotKeys is hot keys as JSON.
type jsonHotKeys struct {
	Keys []jsonHotKey `json:"keys"`
}

type jsonHotKey struct {
	Namespace string  `json:"namespace"`
	Key       string  `json:"key"`
	ReadRate  float64 `json:"readRate"`
	WriteRate float64 `json:"writeRate"`
}

func newJSONHotKeys(keys []kvclient.HotKey) jsonHotKeys {
	rows := make([]jsonHotKey, len(keys))
	for i, k := range keys {
		rows[i] = jsonHotKey{k.Namespace, k.Key, k.Reads, k.Writes}
	}
	return jsonHotKeys{rows}
}
