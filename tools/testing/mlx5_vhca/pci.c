// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The PCI host bridge with the function behind it, and its interrupts. */

#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/platform_device.h>
#include <linux/unaligned.h>
#include "vhca.h"

/* An own domain, far from those of the machine. */
#define VHCA_DOMAIN		0x20000

#define VHCA_DEVICE_ID		0x101d	/* ConnectX-6 Dx */
#define VHCA_CLASS		0x0207	/* network, InfiniBand */
#define VHCA_MSIX_CAP		0x40

static struct vhca *vhca_from_bus(struct pci_bus *bus)
{
	return container_of((struct pci_sysdata *)bus->sysdata, struct vhca,
			    sysdata);
}

static int vhca_config_read(struct pci_bus *bus, unsigned int devfn, int where,
			    int size, u32 *val)
{
	struct vhca *vhca = vhca_from_bus(bus);

	*val = ~0;
	if (devfn || READ_ONCE(vhca->absent) ||
	    where + size > sizeof(vhca->config))
		return PCIBIOS_DEVICE_NOT_FOUND;
	*val = 0;
	memcpy(val, vhca->config + where, size);
	return PCIBIOS_SUCCESSFUL;
}

static int vhca_config_write(struct pci_bus *bus, unsigned int devfn, int where,
			     int size, u32 val)
{
	struct vhca *vhca = vhca_from_bus(bus);
	int i;

	if (devfn || READ_ONCE(vhca->absent) ||
	    where + size > sizeof(vhca->config))
		return PCIBIOS_DEVICE_NOT_FOUND;
	for (i = where; i < where + size; i++, val >>= 8)
		vhca->config[i] = (vhca->config[i] & ~vhca->writable[i]) |
				  (val & vhca->writable[i]);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops vhca_config_ops = {
	.read = vhca_config_read,
	.write = vhca_config_write,
};

static void vhca_config_init(struct vhca *vhca)
{
	u8 *c = vhca->config, *w = vhca->writable, *msix = c + VHCA_MSIX_CAP;

	put_unaligned_le16(PCI_VENDOR_ID_MELLANOX, c + PCI_VENDOR_ID);
	put_unaligned_le16(VHCA_DEVICE_ID, c + PCI_DEVICE_ID);
	put_unaligned_le16(PCI_STATUS_CAP_LIST, c + PCI_STATUS);
	put_unaligned_le16(VHCA_CLASS, c + PCI_CLASS_DEVICE);
	put_unaligned_le16(PCI_VENDOR_ID_MELLANOX, c + PCI_SUBSYSTEM_VENDOR_ID);
	c[PCI_CAPABILITY_LIST] = VHCA_MSIX_CAP;
	put_unaligned_le32(lower_32_bits(vhca->window.start) |
			   PCI_BASE_ADDRESS_MEM_TYPE_64, c + PCI_BASE_ADDRESS_0);
	put_unaligned_le32(upper_32_bits(vhca->window.start),
			   c + PCI_BASE_ADDRESS_1);

	put_unaligned_le16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			   PCI_COMMAND_INTX_DISABLE, w + PCI_COMMAND);
	w[PCI_CACHE_LINE_SIZE] = 0xff;
	w[PCI_INTERRUPT_LINE] = 0xff;
	/* What can't be written tells how big the BAR is. */
	put_unaligned_le32(~(VHCA_BAR_SIZE - 1), w + PCI_BASE_ADDRESS_0);
	put_unaligned_le32(~0, w + PCI_BASE_ADDRESS_1);

	msix[PCI_CAP_LIST_ID] = PCI_CAP_ID_MSIX;
	put_unaligned_le16(VHCA_NUM_VECTORS - 1, msix + PCI_MSIX_FLAGS);
	put_unaligned_le32(VHCA_MSIX_TABLE, msix + PCI_MSIX_TABLE);
	put_unaligned_le32(VHCA_MSIX_PBA, msix + PCI_MSIX_PBA);
	put_unaligned_le16(PCI_MSIX_FLAGS_MASKALL | PCI_MSIX_FLAGS_ENABLE,
			   w + VHCA_MSIX_CAP + PCI_MSIX_FLAGS);
}

/*
 * Interrupts: a vector of the device is an interrupt of an own domain, raised
 * by software. Nobody listens on the address that the message would go to.
 */

static void vhca_irq_work(struct irq_work *work)
{
	struct vhca_irq *irq = container_of(work, struct vhca_irq, work);
	unsigned int virq = READ_ONCE(irq->virq);

	if (virq)
		generic_handle_irq(virq);
}

void vhca_raise_irq(struct vhca *vhca, u32 vector)
{
	if (vector < VHCA_NUM_VECTORS)
		irq_work_queue(&vhca->irqs[vector].work);
}

static void vhca_compose_msi_msg(struct irq_data *data, struct msi_msg *msg)
{
	*msg = (struct msi_msg){ .data = data->hwirq };
}

static void vhca_irq_ack(struct irq_data *data)
{
}

/* The interrupt comes to where the device's thread runs, wherever it should. */
static int vhca_irq_set_affinity(struct irq_data *data,
				 const struct cpumask *mask, bool force)
{
	irq_data_update_effective_affinity(data, mask);
	return IRQ_SET_MASK_OK;
}

static struct irq_chip vhca_irq_chip = {
	.name = "VHCA-MSI",
	.irq_ack = vhca_irq_ack,
	.irq_set_affinity = vhca_irq_set_affinity,
	.irq_compose_msi_msg = vhca_compose_msi_msg,
};

/* One interrupt at a time, as each vector of MSI-X has a descriptor. */
static int vhca_irq_alloc(struct irq_domain *domain, unsigned int virq,
			  unsigned int count, void *arg)
{
	struct vhca *vhca = domain->host_data;
	msi_alloc_info_t *info = arg;
	u16 vector = info->desc->msi_index;

	irq_domain_set_info(domain, virq, vector, &vhca_irq_chip, vhca,
			    handle_edge_irq, NULL, NULL);
	WRITE_ONCE(vhca->irqs[vector].virq, virq);
	return 0;
}

static void vhca_irq_free(struct irq_domain *domain, unsigned int virq,
			  unsigned int count)
{
	struct vhca *vhca = domain->host_data;
	struct irq_data *data = irq_domain_get_irq_data(domain, virq);
	struct vhca_irq *irq = &vhca->irqs[data->hwirq];

	WRITE_ONCE(irq->virq, 0);
	irq_work_sync(&irq->work);
	irq_domain_reset_irq_data(data);
}

static const struct irq_domain_ops vhca_irq_ops = {
	.alloc = vhca_irq_alloc,
	.free = vhca_irq_free,
};

/* The function has a domain of its own above ours, which writes its table. */
static bool vhca_init_dev_msi_info(struct device *dev,
				   struct irq_domain *domain,
				   struct irq_domain *parent,
				   struct msi_domain_info *info)
{
	const struct msi_parent_ops *ops = parent->msi_parent_ops;

	info->flags &= ops->supported_flags;
	info->flags |= ops->required_flags;
	info->chip->irq_ack = irq_chip_ack_parent;
	return true;
}

static const struct msi_parent_ops vhca_msi_parent_ops = {
	.supported_flags = MSI_GENERIC_FLAGS_MASK | MSI_FLAG_PCI_MSIX,
	.required_flags = MSI_FLAG_USE_DEF_DOM_OPS | MSI_FLAG_USE_DEF_CHIP_OPS,
	.init_dev_msi_info = vhca_init_dev_msi_info,
};

static int vhca_irq_init(struct vhca *vhca)
{
	struct fwnode_handle *fwnode;
	int i;

	for (i = 0; i < VHCA_NUM_VECTORS; i++)
		init_irq_work(&vhca->irqs[i].work, vhca_irq_work);
	fwnode = irq_domain_alloc_named_fwnode("VHCA-MSI");
	if (!fwnode)
		return -ENOMEM;
	vhca->irq_domain =
		irq_domain_create_hierarchy(NULL, IRQ_DOMAIN_FLAG_MSI_PARENT,
					    VHCA_NUM_VECTORS, fwnode,
					    &vhca_irq_ops, vhca);
	if (!vhca->irq_domain) {
		irq_domain_free_fwnode(fwnode);
		return -ENOMEM;
	}
	vhca->irq_domain->msi_parent_ops = &vhca_msi_parent_ops;
	return 0;
}

static void vhca_irq_cleanup(struct vhca *vhca)
{
	struct fwnode_handle *fwnode = vhca->irq_domain->fwnode;

	irq_domain_remove(vhca->irq_domain);
	irq_domain_free_fwnode(fwnode);
}

/* Takes the memory of the BAR, and makes what needs no driver. */
int vhca_pci_init(struct vhca *vhca)
{
	int err;

	if (region_intersects(vhca->window.start, VHCA_BAR_SIZE,
			      IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT) {
		pr_err("mlx5_vhca: the kernel uses %pR itself: boot it with memmap=16M$...\n",
		       &vhca->window);
		return -EBUSY;
	}
	/* The window stays out of iomem_resource: memmap= put its range there. */
	vhca->bar = ioremap(vhca->window.start, VHCA_BAR_SIZE);
	if (!vhca->bar)
		return -ENOMEM;
	memset_io(vhca->bar, 0, VHCA_BAR_SIZE);
	vhca->iseg = vhca->bar;
	vhca_config_init(vhca);
	err = vhca_irq_init(vhca);
	if (err)
		goto err_unmap;
	vhca->parent = platform_device_register_simple("mlx5_vhca", -1, NULL, 0);
	if (IS_ERR(vhca->parent)) {
		err = PTR_ERR(vhca->parent);
		goto err_irq;
	}
	return 0;

err_irq:
	vhca_irq_cleanup(vhca);
err_unmap:
	iounmap(vhca->bar);
	return err;
}

void vhca_pci_cleanup(struct vhca *vhca)
{
	struct pci_bus *bus = vhca->bridge ? vhca->bridge->bus : NULL;

	if (bus) {
		pci_lock_rescan_remove();
		pci_stop_root_bus(bus);
		pci_remove_root_bus(bus);
		pci_unlock_rescan_remove();
		pci_free_host_bridge(vhca->bridge);
	}
	platform_device_unregister(vhca->parent);
	vhca_irq_cleanup(vhca);
	iounmap(vhca->bar);
}

/* Plugs the function in. Its BAR can't be elsewhere, so is not assigned. */
void vhca_pci_insert_device(struct vhca *vhca)
{
	struct pci_bus *bus = vhca->bridge->bus;

	pci_lock_rescan_remove();
	vhca_config_init(vhca);
	pci_scan_slot(bus, 0);
	pci_bus_claim_resources(bus);
	pci_bus_add_devices(bus);
	pci_unlock_rescan_remove();
}

/* Adds the bridge, and plugs the function in. */
int vhca_pci_add(struct vhca *vhca)
{
	struct pci_host_bridge *bridge;
	int err;

	bridge = pci_alloc_host_bridge(0);
	if (!bridge)
		return -ENOMEM;
	vhca->sysdata.domain = VHCA_DOMAIN;
	vhca->sysdata.node = NUMA_NO_NODE;
	vhca->busn = (struct resource){
		.name = "mlx5_vhca bus",
		.flags = IORESOURCE_BUS,
	};
	bridge->dev.parent = &vhca->parent->dev;
	bridge->sysdata = &vhca->sysdata;
	bridge->ops = &vhca_config_ops;
	pci_add_resource(&bridge->windows, &vhca->busn);
	pci_add_resource(&bridge->windows, &vhca->window);
	dev_set_msi_domain(&bridge->dev, vhca->irq_domain);
	err = pci_scan_root_bus_bridge(bridge);
	if (err) {
		pci_free_host_bridge(bridge);
		return err;
	}
	vhca->bridge = bridge;
	vhca_pci_insert_device(vhca);
	return 0;
}

void vhca_pci_remove_device(struct vhca *vhca)
{
	struct pci_dev *pdev = pci_get_slot(vhca->bridge->bus, 0);

	if (!pdev)
		return;
	pci_stop_and_remove_bus_device_locked(pdev);
	pci_dev_put(pdev);
}
