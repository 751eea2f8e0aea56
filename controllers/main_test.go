package controllers

import (
	"testing"

	"github.com/warifu/warifu/internal/testkit/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }
