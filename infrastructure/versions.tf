terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
  }

  # The rest of it is given to `terraform init`: docs/operations.md, "First deploy".
  backend "s3" {
    key          = "tilts/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project = "tilts"
      stage   = local.stage
    }
  }
}
