package app

import (
	"fmt"
	"io"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// newLogger logs to out as the configuration says.
func newLogger(out io.Writer, c Log) (logr.Logger, error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return logr.Logger{}, fmt.Errorf("--log-level (log.level): %w", err)
	}
	encoder := zap.JSONEncoder()
	if c.Format == "console" {
		encoder = zap.ConsoleEncoder()
	}
	return zap.New(zap.WriteTo(out), zap.Level(level), zap.StacktraceLevel(zapcore.PanicLevel), encoder), nil
}
