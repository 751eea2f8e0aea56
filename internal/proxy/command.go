package proxy

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warifu/warifu/internal/naming"
	"github.com/warifu/warifu/internal/proxy/redirect"
	"github.com/warifu/warifu/internal/version"
)

// NewCommand is the command line of the proxy. What is said about the pod comes from the environment, as the injector wrote it.
func NewCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:          "warifu-proxy",
		Short:        "Makes mutual TLS and authorisation policies true for the traffic of one pod",
		Version:      version.String(),
		SilenceUsage: true,
	}
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.AddCommand(newRunCommand(), newRedirectCommand())
	return cmd
}

func newRunCommand() *cobra.Command {
	return &cobra.Command{
		Use:   naming.CommandRun,
		Short: "Carry the pod's traffic, until SIGTERM",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := SettingsFrom(os.Getenv)
			if err != nil {
				return err
			}
			return Run(cmd.Context(), settings, Output{Log: newLogger(cmd.ErrOrStderr()), Access: cmd.OutOrStdout()})
		},
	}
}

func newRedirectCommand() *cobra.Command {
	var inbound, outbound, cidrs string
	cmd := &cobra.Command{
		Use:   naming.CommandRedirect,
		Short: "Redirect the TCP connections of this network namespace to the proxy, and end",
		Args:  cobra.NoArgs,
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		options, err := redirectOptions(inbound, outbound, cidrs)
		if err != nil {
			return err
		}
		return redirect.Apply(options)
	}
	flag := func(to *string, name, usage string) {
		cmd.Flags().StringVar(to, strings.TrimPrefix(name, "--"), "", usage)
	}
	flag(&inbound, naming.FlagExcludeInboundPorts, "ports that reach the application past the proxy, with commas between them")
	flag(&outbound, naming.FlagExcludeOutboundPorts, "ports that the application dials past the proxy")
	flag(&cidrs, naming.FlagExcludeOutboundCIDRs, "ranges of addresses that the application dials past the proxy")
	return cmd
}

func redirectOptions(inbound, outbound, cidrs string) (redirect.Options, error) {
	var options redirect.Options
	var err error
	if options.ExcludeInboundPorts, err = list(naming.FlagExcludeInboundPorts, inbound, parsePort); err != nil {
		return options, err
	}
	if options.ExcludeOutboundPorts, err = list(naming.FlagExcludeOutboundPorts, outbound, parsePort); err != nil {
		return options, err
	}
	options.ExcludeOutboundCIDRs, err = list(naming.FlagExcludeOutboundCIDRs, cidrs, netip.ParsePrefix)
	return options, err
}

func parsePort(text string) (uint16, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%q is not a port", text)
	}
	return uint16(port), nil
}

// list reads items with commas between them. A flag that is not understood stops the pod: what was to be kept away from the
// proxy must not end in it, nor the reverse.
func list[T any](flag, text string, parse func(string) (T, error)) ([]T, error) {
	var out []T
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		value, err := parse(item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		out = append(out, value)
	}
	return out, nil
}
